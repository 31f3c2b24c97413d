// The forward pass of a model in ONNX Runtime, timed in turns with somebody else's:
//
//     node onnxruntime.mjs MODEL THREADS SHAPE INPUT RESULT OUTPUT...
//
// SHAPE is the input's ("1,3,66,200"), INPUT a file of its float32 values; the values of the named
// OUTPUTs are written to RESULT, one behind the other. Then it prints "ready NAME VERSION", or
// "error WHY" and ends. For each line "N" on the standard input it makes N runs, after one that is
// not counted, and prints their milliseconds in one line. It ends with its input.
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

// Idle workers of ONNX Runtime keep their core busy for some 30 ms after a run, which is its own
// advantage inside a round but must not slow down the other side's.
const WORKERS_REST_MS = 60;

const [model, threads, shape, input, result, ...outputs] = process.argv.slice(2);

async function prepare() {
    const { default: ort } = await import('onnxruntime-node');
    const session = await ort.InferenceSession.create(model, {
        executionProviders: ['cpu'],
        intraOpNumThreads: Number(threads),
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
    });
    const values = new Float32Array(new Uint8Array(readFileSync(input)).buffer);
    const feeds = {
        [session.inputNames[0]]: new ort.Tensor('float32', values, shape.split(',').map(Number)),
    };
    const first = await session.run(feeds);
    writeFileSync(result, Buffer.concat(outputs.map((name) => {
        const { data } = first[name];
        return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    })));
    return { session, feeds, version: ort.env.versions.node };
}

async function serve({ session, feeds, version }) {
    console.log(`ready ONNX Runtime ${version}`);
    for await (const line of createInterface({ input: process.stdin })) {
        const times = [];
        await session.run(feeds);
        for (let i = 0; i < Number(line); i++) {
            const started = performance.now();
            await session.run(feeds);
            times.push(performance.now() - started);
        }
        if (Number(threads) > 1) {
            await pause(WORKERS_REST_MS);
        }
        console.log(times.map((time) => time.toFixed(6)).join(' '));
    }
}

try {
    await serve(await prepare());
} catch (error) {
    console.log(`error ${String(error.message ?? error).replace(/\s+/g, ' ')}`);
    process.exitCode = 1;
}
