"""Samples per second of training PilotNet in PyTorch: a line for each line of the standard input."""

import sys
import time

import torch
from torch import nn

BATCH, STEPS = int(sys.argv[1]), int(sys.argv[2])


def convolution(inputs, outputs, kernel, stride):
    return [nn.Conv2d(inputs, outputs, kernel, stride), nn.ReLU()]


network = nn.Sequential(
    *convolution(3, 24, 5, 2),
    *convolution(24, 36, 5, 2),
    *convolution(36, 48, 5, 2),
    *convolution(48, 64, 3, 1),
    *convolution(64, 64, 3, 1),
    nn.Flatten(),
    nn.Linear(1152, 100), nn.ReLU(),
    nn.Linear(100, 50), nn.ReLU(),
    nn.Linear(50, 10), nn.ReLU(),
    nn.Linear(10, 1),
)
optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
inputs = torch.rand(BATCH, 3, 66, 200)
targets = torch.rand(BATCH, 1)


def run(steps):
    started = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(network(inputs), targets).backward()
        optimizer.step()
    return BATCH * steps / (time.perf_counter() - started)


torch.set_num_threads(2)
run(2)
print(torch.__version__, flush=True)
for _ in sys.stdin:
    print(f"{run(STEPS):.1f}", flush=True)
