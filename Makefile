# vbp: `make` builds build/vbp, libvbp.a and libvbp.so; `make help` lists the rest.

CC ?= gcc
AR ?= ar
PKG_CONFIG ?= pkg-config
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
SANITIZER ?=
WERROR ?= 0
V ?= 0

.DELETE_ON_ERROR:
.SUFFIXES:
Q := $(if $(filter-out 0,$(V)),,@)

VERSION := $(shell sed -n 's/^\#define VBP_VERSION_M[A-Z]* //p;s/^\#define VBP_VERSION_PATCH //p' include/vbp.h | paste -sd.)
SONAME := libvbp.so.$(firstword $(subst ., ,$(VERSION)))

# ---- Packages -----------------------------------------------------------------------------------
LIB_PACKAGES := openblas libprotobuf-c libcjson
PROGRAM_PACKAGES := libavformat libavcodec libavutil libswscale sdl2 SDL2_ttf fontconfig
TEST_PACKAGES := cmocka x11 xtst

# ---- Flags --------------------------------------------------------------------------------------
# Contraction is off, so that a*b+c rounds alike in every build; kernels that want fused
# multiply-add say so by name.
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wpointer-arith -Wwrite-strings -Wundef -Wimplicit-fallthrough
ifneq ($(WERROR),0)
WARNINGS += -Werror
endif
SANITIZER_FLAGS :=
ifneq ($(SANITIZER),)
ifneq ($(filter-out address undefined address$(comma)undefined undefined$(comma)address thread,$(subst $(comma),,$(SANITIZER))),)
endif
SANITIZER_FLAGS := -fsanitize=$(SANITIZER) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -Iinclude -Isrc -I$(BUILD)/generated -fvisibility=hidden -fPIC \
             -ffp-contract=off -pthread $(WARNINGS) $(SANITIZER_FLAGS) $(CFLAGS) \
             $(shell $(PKG_CONFIG) --cflags $(LIB_PACKAGES) $(PROGRAM_PACKAGES))
LIB_LIBS = $(shell $(PKG_CONFIG) --libs $(LIB_PACKAGES)) -lm
PROGRAM_LIBS = $(shell $(PKG_CONFIG) --libs $(PROGRAM_PACKAGES)) $(LIB_LIBS)
TEST_LIBS = $(shell $(PKG_CONFIG) --libs $(TEST_PACKAGES)) $(PROGRAM_LIBS)
ALL_LDFLAGS = -pthread $(SANITIZER_FLAGS) $(LDFLAGS)

# ---- Files --------------------------------------------------------------------------------------
LIB_LAYERS := base kernels graph formats nn saliency api
PROGRAM_LAYERS := media draw pipeline window cli
LIB_SOURCES := $(sort $(foreach layer,$(LIB_LAYERS),$(wildcard src/$(layer)/*.c)))
PROGRAM_SOURCES := $(sort $(foreach layer,$(PROGRAM_LAYERS),$(wildcard src/$(layer)/*.c)))
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/generated/onnx/onnx.pb-c.o
PROGRAM_OBJECTS := $(PROGRAM_SOURCES:%.c=$(BUILD)/%.o)
MAIN_OBJECT := $(BUILD)/src/cli/main.o
# Everything but main(), for the tests.
TESTED_OBJECTS := $(LIB_OBJECTS) $(filter-out $(MAIN_OBJECT),$(PROGRAM_OBJECTS))

TEST_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/support/*.c)))
TEST_SOURCES := $(sort $(wildcard tests/unit/*_test.c tests/golden/*_test.c tests/cli/*_test.c tests/window/*_test.c))
TEST_PROGRAMS := $(TEST_SOURCES:%.c=$(BUILD)/%)

.PHONY: all clean test
all: $(BUILD)/vbp

ONNX_PROTO ?= /usr/include/onnx/onnx.proto
$(BUILD)/generated/onnx/onnx.pb-c.c $(BUILD)/generated/onnx/onnx.pb-c.h &: $(ONNX_PROTO)
	$(Q)mkdir -p $(BUILD)/generated/onnx
	@echo "  PROTO  $<"
	$(Q)protoc-c --proto_path=$(dir $(ONNX_PROTO)) --c_out=$(BUILD)/generated/onnx onnx.proto
$(BUILD)/generated/onnx/onnx.pb-c.o: WARNINGS := -w

$(BUILD)/%.o: %.c $(BUILD)/flags | $(BUILD)/generated/onnx/onnx.pb-c.h
	@mkdir -p $(@D)
	@echo "  CC     $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/generated/%.o: $(BUILD)/generated/%.c $(BUILD)/flags
	@echo "  CC     $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# Rewritten only when the flags change, which then rebuilds everything.
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' > $@
FORCE:

$(BUILD)/vbp: $(LIB_OBJECTS) $(PROGRAM_OBJECTS)
	@echo "  LINK   $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(PROGRAM_LIBS) -o $@

$(TEST_PROGRAMS): $(BUILD)/%: $(BUILD)/%.o $(TEST_SUPPORT) $(TESTED_OBJECTS)
	@echo "  LINK   $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(TEST_LIBS) -o $@

test: $(TEST_PROGRAMS) $(BUILD)/vbp
	@failed=0; for t in $(TEST_PROGRAMS); do echo "== $$t"; VBP=$(BUILD)/vbp $$t || failed=1; done; exit $$failed

clean:
	rm -rf $(BUILD)

-include $(LIB_OBJECTS:.o=.d) $(PROGRAM_OBJECTS:.o=.d) $(TEST_PROGRAMS:=.d) $(TEST_SUPPORT:.o=.d)
