# Delayline. `make help` lists the targets.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
SHELL := /bin/bash

VARIANT    ?= release
BUILD_ROOT ?= build
BUILD      := $(BUILD_ROOT)/$(VARIANT)
OBJ        := $(BUILD)/obj
ifeq ($(origin CC),default)
CC := gcc
endif

VARIANTS := release debug asan tsan cov analyze
ifeq ($(filter $(VARIANT),$(VARIANTS)),)
$(error VARIANT=$(VARIANT) is unknown; it is one of: $(VARIANTS))
endif

PACKAGES := libuv libcurl rdkafka libcjson libcrypto libzstd zlib libmicrohttpd
TEST_PACKAGES := cmocka

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Warith-conversion -Wformat=2 \
  -Wformat-signedness -Wformat-overflow=2 -Wformat-truncation=2 -Wundef -Wvla -Walloca -Wcast-qual \
  -Wcast-align=strict -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes -Wredundant-decls \
  -Wswitch-enum -Wimplicit-fallthrough=5 -Wlogical-op -Wduplicated-cond -Wduplicated-branches \
  -Wnull-dereference -Wdouble-promotion -Wjump-misses-init -Warray-bounds=2 -Wstringop-overflow=4 \
  -Wuse-after-free=3 -Wunused-const-variable=2 -Wstack-usage=16384

HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
  -fcf-protection=full -ftrivial-auto-var-init=zero -fno-delete-null-pointer-checks -fno-strict-overflow
SANITIZE := -fno-omit-frame-pointer -fno-sanitize-recover=all

flags_release := -O2 -g $(HARDEN) -fno-common -fPIE
flags_debug   := -O0 -g3 -fno-common -fPIE
flags_asan    := -O1 -g -fsanitize=address,undefined $(SANITIZE) -fno-common -fPIE -Wno-stack-usage
flags_tsan    := -O1 -g -fsanitize=thread $(SANITIZE) -fno-common -fPIE -Wno-stack-usage
flags_cov     := -O0 -g --coverage -fno-common -fPIE
flags_analyze := -O1 -g -fanalyzer -fno-common -fPIE

ldflags_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--as-needed
ldflags_debug   := -pie
ldflags_asan    := -pie -fsanitize=address,undefined
ldflags_tsan    := -pie -fsanitize=thread
ldflags_cov     := -pie --coverage
ldflags_analyze := -pie

# V=1 shows the commands.
Q = $(if $(filter 1,$(V)),,@echo '  $(notdir $@)';)

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

pkg_cflags := $(subst -I,-isystem ,$(shell pkg-config --cflags $(PACKAGES) $(TEST_PACKAGES) 2>/dev/null))
pkg_libs   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
test_libs  := $(shell pkg-config --libs $(TEST_PACKAGES) 2>/dev/null)

COMPILE = $(CC) -I. $(pkg_cflags) -D_GNU_SOURCE $(CPPFLAGS) -std=c17 $(WARN) \
          $(if $(filter 0,$(WERROR)),,-Werror) $(flags_$(VARIANT)) $(CFLAGS)
LINK    = $(CC) $(ldflags_$(VARIANT)) $(flags_$(VARIANT)) $(LDFLAGS)

PROGRAMS := router scheduler relay
MAIN_SRCS := $(wildcard $(PROGRAMS:%=%/main.c))
LIB_SRCS  := $(filter-out $(MAIN_SRCS),$(wildcard common/*.c router/*.c scheduler/*.c relay/*.c))
LIB       := $(BUILD)/libdelayline.a

# Modules that may touch the operating system; every other one is pure, and `make purity` proves it.
IO_SRCS := $(addprefix common/,loop.c http.c aws_credentials.c aws_client.c sqs.c dynamodb.c kafka.c \
             config.c log.c admin.c program.c table_setup.c) \
           $(wildcard $(PROGRAMS:%=%/*_shell*.c) $(PROGRAMS:%=%/*_config.c))
PURE_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(filter-out $(IO_SRCS),$(LIB_SRCS)))
CORE_OBJS := $(filter %_core.o $(OBJ)/router/%_core%.o $(OBJ)/scheduler/%_core%.o $(OBJ)/relay/%_core%.o,$(PURE_OBJS))

# Tests and tools: tests/<folder>/*.c is one program each, but for unit (one a file).
UNIT_SRCS  := $(wildcard tests/unit/test_*.c)
UNIT_BINS  := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRCS))
MODEL_SRCS := $(wildcard tests/model/*.c)
MODEL_LIB  := $(BUILD)/libmodel.a
HARNESS_SRCS := $(wildcard tests/harness/*.c)
HARNESS_LIB  := $(BUILD)/libharness.a

BINS := $(PROGRAMS:%=$(BUILD)/%) $(BUILD)/devstack $(BUILD)/load $(BUILD)/inspect

all: $(BINS) ## build every program of VARIANT (release, debug, asan, tsan, cov)

lib: $(LIB) ## the library alone

$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(COMPILE)' | cmp -s - $@ || echo '$(COMPILE)' > $@

$(OBJ)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c $< -o $@

# The version lives in one object, so that a commit rebuilds one file.
$(BUILD)/version.c: FORCE
	@mkdir -p $(@D)
	@echo 'extern const char delayline_version[]; const char delayline_version[] = "$(VERSION)";' \
	  | cmp -s - $@ || echo 'extern const char delayline_version[]; const char delayline_version[] = "$(VERSION)";' > $@
$(BUILD)/version.o: $(BUILD)/version.c
	$(Q)$(COMPILE) -c $< -o $@

define archive
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)
endef

$(LIB): $(LIB_SRCS:%.c=$(OBJ)/%.o) $(BUILD)/version.o
	$(archive)
$(MODEL_LIB): $(MODEL_SRCS:%.c=$(OBJ)/%.o)
	$(archive)
$(HARNESS_LIB): $(HARNESS_SRCS:%.c=$(OBJ)/%.o)
	$(archive)

$(PROGRAMS:%=$(BUILD)/%): $(BUILD)/%: $(OBJ)/%/main.o $(LIB)
	$(Q)$(LINK) $^ $(pkg_libs) -o $@
$(BUILD)/devstack: $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/emulator/*.c)) $(MODEL_LIB)
	$(Q)$(LINK) $^ $(pkg_libs) -o $@
$(BUILD)/load: $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/load/*.c)) $(OBJ)/common/check.o
	$(Q)$(LINK) $^ $(pkg_libs) -lm -o $@
$(BUILD)/inspect: $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/tools/*.c)) $(LIB)
	$(Q)$(LINK) $^ $(pkg_libs) -o $@
$(BUILD)/unit/%: $(OBJ)/tests/unit/%.o $(HARNESS_LIB) $(MODEL_LIB) $(LIB)
	@mkdir -p $(@D)
	$(Q)$(LINK) $^ $(pkg_libs) $(test_libs) -lm -o $@

unit: $(UNIT_BINS) ## build and run the unit tests of VARIANT
	@tests/harness/run-unit $(UNIT_BINS)

purity: $(BUILD)/purity.ok ## prove that pure modules call nothing of the outside

clean: ## remove everything that was built
	rm -rf $(BUILD_ROOT)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

FORCE:
.PHONY: all lib unit purity clean help FORCE
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
