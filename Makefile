# vbp: `make` builds build/vbp, build/libvbp.a and build/libvbp.so; `make help` lists the rest.

PKG_CONFIG ?= pkg-config
OBJCOPY ?= objcopy
PROTOC_C ?= protoc-c
INSTALL ?= install
FUZZ_CC ?= clang
# The ONNX file format, from the ONNX project's own package.
ONNX_PROTO ?= /usr/include/onnx/onnx.proto

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DESTDIR ?=

SANITIZER ?=
WERROR ?= 0
V ?= 0
# 0: never install packages, take what is there.
INSTALL_DEPS ?= 1
# Words that the paths of the tests to run contain; empty: all tests.
TESTS ?=

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
Q := $(if $(filter-out 0,$(V)),,@)
comma := ,
# One word for the shell, whatever is inside.
quote = '$(subst ','\'',$(1))'

# fuzzer is what `make fuzz` uses; the others are for users.
SANITIZERS := address undefined thread address,undefined undefined,address fuzzer
ifneq ($(SANITIZER),)
ifeq ($(filter $(SANITIZER),$(SANITIZERS)),)
$(error SANITIZER=$(SANITIZER) is not known; it can be address, undefined, thread or address,undefined)
endif
endif
# Builds with sanitizers live beside the plain one, which leaves the program at build/vbp.
BUILD ?= build$(if $(SANITIZER),/$(subst $(comma),-,$(SANITIZER)))

VERSION := $(shell awk '/define VBP_VERSION_(MAJOR|MINOR|PATCH)/ { printf "%s%s", dot, $$3; dot = "." }' \
             include/vbp.h)
SONAME := libvbp.so.$(firstword $(subst ., ,$(VERSION)))

# ---- Packages -----------------------------------------------------------------------------------
# packages.mk holds what pkg-config says. Being an included file with a rule, it is made before
# anything else, and make then starts over: on a fresh machine tools/install-deps.sh gets the
# packages first. Nothing here asks pkg-config while the Makefile is read.
LIB_PACKAGES := openblas libprotobuf-c libcjson hdf5 libzip zlib
PROGRAM_PACKAGES := libavformat libavcodec libavutil libswscale sdl2 SDL2_ttf fontconfig
TEST_PACKAGES := cmocka x11 xtst

GOALS_WITHOUT_PACKAGES := clean help uninstall check-layers
ifneq ($(filter-out $(GOALS_WITHOUT_PACKAGES),$(or $(MAKECMDGOALS),all)),)
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS))),)
$(BUILD)/packages.mk: Makefile tools/install-deps.sh
ifneq ($(INSTALL_DEPS),0)
	@ONNX_PROTO=$(call quote,$(ONNX_PROTO)) tools/install-deps.sh
endif
	@mkdir -p $(BUILD)
	@$(PKG_CONFIG) --exists --print-errors $(LIB_PACKAGES) $(PROGRAM_PACKAGES) $(TEST_PACKAGES)
	@{ echo "PACKAGE_CFLAGS := $$($(PKG_CONFIG) --cflags $(LIB_PACKAGES) $(PROGRAM_PACKAGES) \
	      $(TEST_PACKAGES) | sed 's/-I/-isystem /g')"; \
	   echo "LIB_LIBS := $$($(PKG_CONFIG) --libs $(LIB_PACKAGES)) -lm"; \
	   echo "PROGRAM_LIBS := $$($(PKG_CONFIG) --libs $(PROGRAM_PACKAGES))"; \
	   echo "TEST_LIBS := $$($(PKG_CONFIG) --libs $(TEST_PACKAGES))"; } > $@
include $(BUILD)/packages.mk
else
-include $(BUILD)/packages.mk
endif
endif

# ---- Flags --------------------------------------------------------------------------------------
CFLAGS ?= -O3 -g
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wpointer-arith -Wwrite-strings -Wundef -Wimplicit-fallthrough
ifneq ($(WERROR),0)
WARNINGS += -Werror
endif
ifeq ($(SANITIZER),fuzzer)
SANITIZER_FLAGS := -fsanitize=fuzzer-no-link,address,undefined
else ifneq ($(SANITIZER),)
SANITIZER_FLAGS := -fsanitize=$(SANITIZER)
endif
ifneq ($(SANITIZER),)
SANITIZER_FLAGS += -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
# Contraction is off, so that a*b+c rounds alike in every build; kernels that want fused
# multiply-add say so by name.
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -Iinclude -Isrc -Itests -I$(BUILD)/generated $(PACKAGE_CFLAGS) -fPIC \
             -fvisibility=hidden -ffp-contract=off -pthread $(WARNINGS) $(SANITIZER_FLAGS) $(CFLAGS)
ALL_LDFLAGS = -pthread $(SANITIZER_FLAGS) -Wl,--as-needed $(LDFLAGS)
# A library with a symbol missing must fail here and not at its user's. The runtime of a sanitizer
# is such a symbol: it is only in programs.
SHARED_LDFLAGS := -shared -Wl,-soname,$(SONAME) $(if $(SANITIZER),,-Wl,-z,defs)

# ---- Files --------------------------------------------------------------------------------------
LIB_LAYERS := base kernels graph formats nn saliency api
PROGRAM_LAYERS := media draw pipeline train window cli
objects_of = $(patsubst %.c,$(BUILD)/%.o,$(sort $(foreach folder,$(1),$(wildcard $(folder)/*.c))))

GENERATED := $(BUILD)/generated/onnx/onnx.pb-c
LIB_OBJECTS := $(call objects_of,$(LIB_LAYERS:%=src/%)) $(GENERATED).o
PROGRAM_OBJECTS := $(call objects_of,$(PROGRAM_LAYERS:%=src/%))
MAIN_OBJECT := $(BUILD)/src/cli/main.o
# Everything but main(), for programs that have their own.
TESTED_OBJECTS := $(filter-out $(MAIN_OBJECT),$(LIB_OBJECTS) $(PROGRAM_OBJECTS))

PROGRAM := $(if $(filter $(MAIN_OBJECT),$(PROGRAM_OBJECTS)),$(BUILD)/vbp)
SHARED_LIBRARY := $(BUILD)/libvbp.so.$(VERSION)
LIBRARIES := $(BUILD)/libvbp.a $(BUILD)/libvbp.so

TEST_FOLDERS := tests/unit tests/golden tests/cli tests/window
TEST_SUPPORT := $(call objects_of,tests/support)
TEST_OBJECTS := $(filter %_test.o,$(call objects_of,$(TEST_FOLDERS)))
TEST_PROGRAMS := $(TEST_OBJECTS:.o=)
TEST_SCRIPTS := $(sort $(wildcard $(TEST_FOLDERS:%=%/*_test.sh)))
FUZZ_OBJECTS := $(filter %_fuzz.o,$(call objects_of,tests/fuzz))
FUZZ_PROGRAMS := $(FUZZ_OBJECTS:.o=)
# What readers may need; the rest of the program is not compiled once more for fuzzing.
FUZZ_PARTS := $(filter-out %__c.o %__avx2.o %__avx512.o,\
                $(call objects_of,$(addprefix src/,base kernels graph formats media))) $(GENERATED).o
FUZZ_ARCHIVE := $(BUILD)/readers.a

.PHONY: all demo assets picture roadsim test test-programs bench bench-train fuzz fuzz-programs \
        fuzz-run fuzz-replay install uninstall lint check-layers clean help FORCE
all: $(PROGRAM) $(LIBRARIES)

# ---- Compiling ----------------------------------------------------------------------------------
$(GENERATED).c $(GENERATED).h &: $(ONNX_PROTO)
	@mkdir -p $(@D)
	@echo "  PROTO  $<"
	$(Q)$(PROTOC_C) --proto_path=$(dir $(ONNX_PROTO)) --c_out=$(@D) $(notdir $(ONNX_PROTO))
$(GENERATED).o: WARNINGS := -w
$(GENERATED).o: $(GENERATED).c $(BUILD)/compile-flags
	@echo "  CC     $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/%.o: %.c $(BUILD)/compile-flags | $(GENERATED).h
	@mkdir -p $(@D)
	@echo "  CC     $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# Files that change only when what they say changes, so that other flags, another compiler or a
# source that is gone rebuild what they must.
keep_text = @mkdir -p $(@D); printf '%s\n' $(call quote,$(1)) | cmp -s - $@ || \
            printf '%s\n' $(call quote,$(1)) > $@
$(BUILD)/compile-flags: FORCE
	$(call keep_text,$(CC) $(ALL_CFLAGS))
$(BUILD)/link-flags: FORCE
	$(call keep_text,$(CC) $(ALL_LDFLAGS) $(LIB_LIBS) $(PROGRAM_LIBS) $(TEST_LIBS) \
	  $(LIB_OBJECTS) $(PROGRAM_OBJECTS) $(TEST_SUPPORT))
FORCE:

# ---- Linking ------------------------------------------------------------------------------------
$(BUILD)/vbp: $(LIB_OBJECTS) $(PROGRAM_OBJECTS) $(BUILD)/link-flags
	@echo "  LINK   $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o,$^) $(PROGRAM_LIBS) $(LIB_LIBS) -o $@

$(SHARED_LIBRARY): $(LIB_OBJECTS) $(BUILD)/link-flags
	@echo "  LINK   $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(SHARED_LDFLAGS) $(filter %.o,$^) $(LIB_LIBS) -o $@
$(BUILD)/libvbp.so: $(SHARED_LIBRARY)
	$(Q)ln -sf $(<F) $(BUILD)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

# One relocatable object in which everything but the interface is local: names inside the library
# cannot clash with names of a program that it is linked into.
$(BUILD)/libvbp.o: $(LIB_OBJECTS) $(BUILD)/link-flags
	$(Q)$(LD) -r $(filter %.o,$^) -o $@
	$(Q)$(OBJCOPY) --localize-hidden $@
$(BUILD)/libvbp.a: $(BUILD)/libvbp.o
	@echo "  AR     $@"
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $<

# This test makes allocations fail: it has functions of its own that stand before these.
WRAPPED := malloc calloc realloc aligned_alloc strdup vasprintf
$(BUILD)/tests/unit/allocation_failure_test: private ALL_LDFLAGS += $(WRAPPED:%=-Wl,--wrap=%)
$(TEST_PROGRAMS): %: %.o $(TEST_SUPPORT) $(TESTED_OBJECTS) $(BUILD)/link-flags
	@echo "  LINK   $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o,$^) $(TEST_LIBS) $(PROGRAM_LIBS) $(LIB_LIBS) -o $@

# ---- Tests --------------------------------------------------------------------------------------
test-programs: $(TEST_PROGRAMS)

# Those of the tests $(1) whose path below the build folder contains one of TESTS.
matching = $(foreach test,$(1),$(if $(or $(if $(TESTS),,all),\
             $(strip $(foreach word,$(TESTS),$(findstring $(word),$(test:$(BUILD)/%=%))))),$(test)))
test: all test-programs $(BUILD)/roadsim
	@BUILD=$(BUILD) SANITIZER=$(SANITIZER) CC=$(call quote,$(CC)) VBP=$(abspath $(BUILD))/vbp \
	  tools/run-tests.sh $(call matching,$(TEST_PROGRAMS) $(TEST_SCRIPTS))

# libFuzzer programs, one for each tests/fuzz/*_fuzz.c; run one as build/fuzz/NAME_fuzz CORPUS.
fuzz:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=$(FUZZ_CC) SANITIZER=fuzzer fuzz-programs
fuzz-programs: $(FUZZ_PROGRAMS)
$(FUZZ_ARCHIVE): $(FUZZ_PARTS)
	@echo "  AR     $@"
	$(Q)rm -f $@ && ar rcs $@ $(FUZZ_PARTS)
$(FUZZ_PROGRAMS): %: %.o $(FUZZ_ARCHIVE) $(BUILD)/link-flags
	@echo "  LINK   $(BUILD)/$(@F)"
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer $(filter %.o %.a,$^) $(PROGRAM_LIBS) $(LIB_LIBS) -o $@
	$(Q)ln -sf tests/fuzz/$(@F) $(BUILD)/$(@F)

# The same as plain programs that run on the files they are given: build/NAME_replay FILE...
REPLAY_PROGRAMS := $(patsubst %_fuzz,%_replay,$(FUZZ_PROGRAMS))
fuzz-replay: $(REPLAY_PROGRAMS)
$(REPLAY_PROGRAMS): %_replay: %_fuzz.o $(BUILD)/tests/fuzz/replay.o $(FUZZ_ARCHIVE) $(BUILD)/link-flags
	@echo "  LINK   $(BUILD)/$(@F)"
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o %.a,$^) $(PROGRAM_LIBS) $(LIB_LIBS) -o $@
	$(Q)ln -sf tests/fuzz/$(@F) $(BUILD)/$(@F)

# Runs each of them (or those that FUZZ_TARGETS names) for so many seconds, on what the unit tests
# read and on what earlier runs found to be new.
FUZZ_SECONDS ?= 5
FUZZ_TARGETS ?=
SEED_TESTS := $(foreach name,card dataset keras_ onnx_ torch7_,$(filter $(BUILD)/tests/unit/$(name)%,$(TEST_PROGRAMS)))
fuzz-run: fuzz $(SEED_TESTS)
	@BUILD=$(BUILD) tests/fuzz/fuzz-run.sh $(FUZZ_SECONDS) $(call quote,$(FUZZ_TARGETS)) $(SEED_TESTS)

# What networks, frames and kernels cost, beside ONNX Runtime where that can be installed.
BENCH_PROGRAMS := $(patsubst %,$(BUILD)/tests/bench/%,frame_bench kernels_bench random_network bench_table)
$(BENCH_PROGRAMS): %: %.o $(TESTED_OBJECTS) $(BUILD)/link-flags
	@echo "  LINK   $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o,$^) $(PROGRAM_LIBS) $(LIB_LIBS) -o $@
bench: all $(BENCH_PROGRAMS)
	@BUILD=$(BUILD) INSTALL_DEPS=$(INSTALL_DEPS) tests/bench/bench.sh

# Samples per second of training, beside PyTorch's where that is installed.
TRAIN_BENCH := $(BUILD)/tests/bench/train_bench
$(TRAIN_BENCH): %: %.o $(TEST_SUPPORT) $(TESTED_OBJECTS) $(BUILD)/link-flags
	@echo "  LINK   $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o,$^) $(TEST_LIBS) $(PROGRAM_LIBS) $(LIB_LIBS) -o $@
bench-train: $(TRAIN_BENCH)
	@tests/bench/train-peer.sh $(TRAIN_BENCH)

# Draws drives with the steering they need and with what every pixel shows. Its test uses its parts.
ROADSIM_OBJECTS := $(call objects_of,tools/roadsim)
ROADSIM_PARTS := $(filter-out %/main.o,$(ROADSIM_OBJECTS))
$(BUILD)/roadsim: $(ROADSIM_OBJECTS) $(TESTED_OBJECTS) $(BUILD)/link-flags
	@echo "  LINK   $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o,$^) $(PROGRAM_LIBS) $(LIB_LIBS) -o $@
roadsim: $(BUILD)/roadsim
$(BUILD)/tests/unit/roadsim_test: $(ROADSIM_PARTS)

# The shipped clip with the shipped network's masks.
demo: $(PROGRAM)
	@BUILD=$(BUILD) tools/demo.sh

# Clip and network anew, by the commands in videos/README.md and models/README.md.
assets: all $(BUILD)/roadsim
	@BUILD=$(BUILD) tools/make-assets.sh

# The README's picture.
picture: $(PROGRAM)
	$(Q)$(BUILD)/vbp export videos/road.mp4 -m models/road-pilotnet.onnx --start 0:11 --end 0:11.1 \
	  -o $(BUILD)/picture.mp4 --crf 1 -q -y
	$(Q)ffmpeg -v error -y -i $(BUILD)/picture.mp4 -frames:v 1 doc/annotated.png

check-layers:
	@tools/check-layers

lint: $(GENERATED).h
	@$(if $(filter 0,$(INSTALL_DEPS)),,tools/install-deps.sh --lint)
	@LINT_CFLAGS=$(call quote,$(ALL_CFLAGS)) tools/lint

# ---- Installing ---------------------------------------------------------------------------------
# A path below DESTDIR, as one word for the shell.
staged = $(call quote,$(DESTDIR)$(1))
INSTALLED = $(foreach file,libvbp.a libvbp.so.$(VERSION) $(SONAME) libvbp.so pkgconfig/vbp.pc,\
              $(call staged,$(LIBDIR)/$(file))) $(call staged,$(BINDIR)/vbp) \
            $(call staged,$(INCLUDEDIR)/vbp.h) $(call staged,$(MANDIR)/man1/vbp.1)

install: all
	$(Q)$(INSTALL) -d $(if $(PROGRAM),$(call staged,$(BINDIR))) \
	  $(call staged,$(LIBDIR)/pkgconfig) $(call staged,$(INCLUDEDIR)) $(call staged,$(MANDIR)/man1)
ifneq ($(PROGRAM),)
	$(Q)$(INSTALL) -m 755 $(PROGRAM) $(call staged,$(BINDIR)/vbp)
endif
	$(Q)$(INSTALL) -m 644 $(BUILD)/libvbp.a $(call staged,$(LIBDIR))
	$(Q)$(INSTALL) -m 755 $(SHARED_LIBRARY) $(call staged,$(LIBDIR))
	$(Q)ln -sf libvbp.so.$(VERSION) $(call staged,$(LIBDIR)/$(SONAME))
	$(Q)ln -sf $(SONAME) $(call staged,$(LIBDIR)/libvbp.so)
	$(Q)$(INSTALL) -m 644 include/vbp.h $(call staged,$(INCLUDEDIR))
	$(Q)$(INSTALL) -m 644 doc/vbp.1 $(call staged,$(MANDIR)/man1)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	  -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@REQUIRES@|$(LIB_PACKAGES)|' vbp.pc.in \
	  > $(call staged,$(LIBDIR)/pkgconfig/vbp.pc)
	@echo $(call quote,installed below $(DESTDIR)$(PREFIX))

uninstall:
	$(Q)rm -f $(INSTALLED)

clean:
	$(Q)rm -rf $(BUILD)

help:
	@echo 'make                 $(BUILD)/vbp, $(BUILD)/libvbp.a, $(BUILD)/libvbp.so'
	@echo 'make test            build and run all tests; TESTS="npy queue" runs those with such names'
	@echo 'make install         into PREFIX ($(PREFIX)), below DESTDIR if that is set'
	@echo 'make uninstall       removes what install put there'
	@echo 'make lint            format, static analysis, layers, file hygiene, scripts'
	@echo 'make check-layers    includes point from upper layers to lower ones only'
	@echo 'make fuzz            fuzzing programs (clang) in $(BUILD)/fuzz'
	@echo 'make fuzz-run        runs them FUZZ_SECONDS (5) each; FUZZ_TARGETS="card log" runs those'
	@echo 'make fuzz-replay     them as plain programs that run on files, e.g. under valgrind'
	@echo 'make bench           times of networks, frames and kernels, and ONNX Runtime beside them'
	@echo 'make bench-train     samples per second of training, and PyTorch beside it'
	@echo 'make demo            the shipped drive with the masks of the shipped network'
	@echo 'make assets          makes that drive and that network anew, in about an hour'
	@echo 'make roadsim         $(BUILD)/roadsim, which draws drives with labels: see its -h'
	@echo 'make picture         draws doc/annotated.png, the picture in the README, anew'
	@echo 'make clean           removes $(BUILD)'
	@echo
	@echo 'CC=clang             another compiler        CFLAGS="-O0 -g"   other optimisation'
	@echo 'SANITIZER=...        address, undefined, thread or address,undefined, in a folder of its own'
	@echo 'WERROR=1             warnings are errors     V=1               show the commands'
	@echo 'BUILD=FOLDER         where to build          INSTALL_DEPS=0    install no packages'

-include $(patsubst %.o,%.d,$(LIB_OBJECTS) $(PROGRAM_OBJECTS) $(TEST_OBJECTS) $(TEST_SUPPORT) \
           $(FUZZ_OBJECTS) $(BUILD)/tests/fuzz/replay.o $(ROADSIM_OBJECTS) $(TRAIN_BENCH).o $(BENCH_PROGRAMS:=.o))
