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

VARIANTS := release debug asan tsan cov analyze chaos fuzz
ifeq ($(filter $(VARIANT),$(VARIANTS)),)
$(error VARIANT=$(VARIANT) is unknown; it is one of: $(VARIANTS))
endif

ifeq ($(VARIANT),fuzz)
CC := clang
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
  -fno-delete-null-pointer-checks -fno-strict-overflow
# Jumps land only where they may: one thing, a name for each processor.
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
HARDEN += -fcf-protection=full
else ifneq ($(filter aarch64%,$(shell $(CC) -dumpmachine)),)
HARDEN += -mbranch-protection=standard
endif
ifeq ($(findstring clang,$(CC)),)
HARDEN += -ftrivial-auto-var-init=zero # clang 14 has it behind another flag
endif
SANITIZE := -fno-omit-frame-pointer -fno-sanitize-recover=all

# Without optimisation gcc knows no ranges, and level 2 calls every %.*s too long.
UNOPTIMISED := -O0 -Wformat-truncation=1 -Wformat-overflow=1

flags_release := -O2 -g $(HARDEN) -fno-common -fPIE
# Release, and places where tests may kill it: common/kill_point.h.
flags_chaos   := $(flags_release) -DKILL_POINTS
flags_debug   := $(UNOPTIMISED) -g3 -fno-common -fPIE
flags_asan    := -O1 -g -fsanitize=address,undefined $(SANITIZE) -fno-common -fPIE -Wno-stack-usage
flags_tsan    := -O1 -g -fsanitize=thread $(SANITIZE) -fno-common -fPIE -Wno-stack-usage
flags_cov     := $(UNOPTIMISED) -g --coverage -fno-common -fPIE
flags_analyze := -O1 -g -fanalyzer -fno-common -fPIE
# For libFuzzer, so by clang; what is to be warned about, gcc's builds do.
flags_fuzz    := -O1 -g -w -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow $(SANITIZE) -fno-common -fPIE

ldflags_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--as-needed
ldflags_chaos   := $(ldflags_release)
ldflags_debug   := -pie
ldflags_asan    := -pie -fsanitize=address,undefined
ldflags_tsan    := -pie -fsanitize=thread
ldflags_cov     := -pie --coverage
ldflags_analyze := -pie
ldflags_fuzz    := -pie -fsanitize=fuzzer,address,undefined

# V=1 shows the commands.
Q = $(if $(filter 1,$(V)),,@echo '  $(notdir $@)';)

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

pkg_cflags := $(subst -I,-isystem ,$(shell pkg-config --cflags $(PACKAGES) $(TEST_PACKAGES) 2>/dev/null))
pkg_libs   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm
test_libs  := $(shell pkg-config --libs $(TEST_PACKAGES) 2>/dev/null)

COMPILE = $(CC) -I. $(pkg_cflags) -D_GNU_SOURCE $(CPPFLAGS) -std=c17 $(WARN) \
          $(if $(filter 0,$(WERROR)),,-Werror) $(flags_$(VARIANT)) $(CFLAGS)
LINK    = $(CC) $(ldflags_$(VARIANT)) $(flags_$(VARIANT)) $(LDFLAGS)

PROGRAMS := router scheduler relay
MAIN_SRCS := $(wildcard $(PROGRAMS:%=%/main.c))
LIB_SRCS  := $(filter-out $(MAIN_SRCS),$(wildcard common/*.c router/*.c scheduler/*.c relay/*.c))
LIB       := $(BUILD)/libdelayline.a

# Modules that may touch the operating system; every other one is pure, and `make purity` proves it.
IO_SRCS := $(addprefix common/,loop.c http.c http_request.c aws_credentials.c aws_credentials_local.c aws_credentials_fetch.c \
             aws_credentials_container.c aws_credentials_web_identity.c aws_credentials_imds.c \
             aws_client.c aws_services.c aws_settings.c sqs.c dynamodb.c config.c config_foreign.c log.c admin.c admin_ask.c program.c program_emf.c program_metrics.c table_setup.c \
             dependency_check.c kill_point.c) \
           $(wildcard common/kafka_*.c) $(wildcard $(PROGRAMS:%=%/*_shell*.c) $(PROGRAMS:%=%/*_config.c))
PURE_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(filter-out $(IO_SRCS),$(LIB_SRCS)))
CORE_OBJS := $(foreach p,$(PROGRAMS),$(filter $(OBJ)/$(p)/$(p)_core%,$(PURE_OBJS)))

# What a core may lean on: arithmetic and containers, no heap.
CORE_BASE_OBJS := $(patsubst %,$(OBJ)/common/%.o,timer_heap table delay num)

# Tests and tools: tests/<folder>/*.c is one program each, but for unit (one a file).
UNIT_SRCS  := $(wildcard tests/unit/test_*.c)
UNIT_BINS  := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRCS))
# With the parts of emulator and differential that have unit tests of their own.
MODEL_SRCS := $(wildcard tests/model/*.c) \
              $(addprefix tests/emulator/,faults.c http_request.c json_out.c signature.c) \
              $(addprefix tests/differential/,expand.c normal.c compare.c cases.c deviations.c)
MODEL_LIB  := $(BUILD)/libmodel.a
LOAD_SRCS  := $(filter-out tests/load/main.c,$(wildcard tests/load/*.c))
LOAD_LIB   := $(BUILD)/libload.a
# Replaces the loop and HTTP: linked to the tests that include its header, since an archive would give it to all.
STAND_IN     := tests/harness/credentials_world
STAND_IN_FOR := $(shell grep -l '$(STAND_IN).h' $(UNIT_SRCS))
HARNESS_SRCS := $(filter-out $(STAND_IN).c,$(wildcard tests/harness/*.c))
HARNESS_LIB  := $(BUILD)/libharness.a

# One program a target: with the fuzzer in VARIANT=fuzz, else with a main that replays files.
FUZZ_TARGETS := $(patsubst tests/fuzz/target_%.c,%,$(wildcard tests/fuzz/target_*.c))
FUZZ_BINS    := $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
FUZZ_MAIN    := $(if $(filter fuzz,$(VARIANT)),,$(OBJ)/tests/fuzz/replay.o)

BINS := $(PROGRAMS:%=$(BUILD)/%) $(BUILD)/devstack $(BUILD)/load $(BUILD)/inspect $(BUILD)/differential

all: $(BINS) ## build every program of VARIANT (release, debug, asan, tsan, cov)

programs: $(PROGRAMS:%=$(BUILD)/%) ## router, scheduler and relay alone

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
$(LOAD_LIB): $(LOAD_SRCS:%.c=$(OBJ)/%.o)
	$(archive)
$(HARNESS_LIB): $(HARNESS_SRCS:%.c=$(OBJ)/%.o)
	$(archive)

$(PROGRAMS:%=$(BUILD)/%): $(BUILD)/%: $(OBJ)/%/main.o $(LIB)
	$(Q)$(LINK) $^ $(pkg_libs) -o $@
# Of the library only what is no product logic: buffers, memory, checks. The emulator judges the product.
$(BUILD)/devstack: $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/emulator/*.c)) $(MODEL_LIB) \
    $(addprefix $(OBJ)/common/,buf.o mem.o check.o)
	$(Q)$(LINK) $^ $(pkg_libs) -o $@
$(BUILD)/load: $(OBJ)/tests/load/main.o $(LOAD_LIB) $(OBJ)/common/check.o
	$(Q)$(LINK) $^ $(pkg_libs) -o $@
$(BUILD)/inspect: $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/tools/*.c)) $(LIB)
	$(Q)$(LINK) $^ $(pkg_libs) -o $@
# Our own clients, and the emulator in the same process.
$(BUILD)/differential: $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/differential/*.c) \
    $(filter-out tests/emulator/devstack.c,$(wildcard tests/emulator/*.c))) $(MODEL_LIB) $(LIB)
	$(Q)$(LINK) $^ $(pkg_libs) -o $@
# The product's shells and cores over stand-ins for its I/O modules, which go before the library.
SIM_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/sim/*.c))
$(BUILD)/sim: $(SIM_OBJS) $(MODEL_LIB) $(LIB)
	$(Q)$(LINK) $^ $(pkg_libs) -o $@
# With a planted bug, or with marks: only the files that have some are compiled anew.
define sim_with
	@rm -rf $@.objs && mkdir -p $@.objs
	@for f in $$(grep -lE '$(1)' $(LIB_SRCS)); do \
	  $(COMPILE) $(2) -c $$f -o $@.objs/$$(basename $$f .c).o || exit 1; done
	$(Q)$(LINK) $@.objs/*.o $(SIM_OBJS) $(MODEL_LIB) $(LIB) $(pkg_libs) -o $@
endef
$(BUILD)/sim-mutant-%: $(BUILD)/sim FORCE
	$(call sim_with,MUTANT_IS\($*\),-DMUTANT=$*)
$(BUILD)/sim-marks: $(BUILD)/sim FORCE
	$(call sim_with,MARK.",-DMARKS)
$(BUILD)/unit/%: $(OBJ)/tests/unit/%.o $(HARNESS_LIB) $(MODEL_LIB) $(LOAD_LIB) $(LIB)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(filter %.o,$^) $(filter %.a,$^) $(pkg_libs) $(test_libs) -o $@
$(STAND_IN_FOR:tests/unit/%.c=$(BUILD)/unit/%): $(OBJ)/$(STAND_IN).o

$(FUZZ_BINS): $(BUILD)/fuzz/%: $(OBJ)/tests/fuzz/target_%.o $(OBJ)/tests/fuzz/fuzz.o $(FUZZ_MAIN) $(MODEL_LIB) $(LIB)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(filter %.o,$^) $(filter %.a,$^) $(pkg_libs) -o $@

unit: $(UNIT_BINS) ## build and run the unit tests of VARIANT
	@tests/harness/run-unit $(UNIT_BINS)

TORTURE_BINS := $(patsubst tests/torture/torture_%.c,$(BUILD)/torture/%,$(wildcard tests/torture/torture_*.c))

$(TORTURE_BINS): $(BUILD)/torture/%: $(OBJ)/tests/torture/torture_%.o $(HARNESS_LIB) $(MODEL_LIB) $(LIB)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(filter %.o,$^) $(filter %.a,$^) $(pkg_libs) $(test_libs) -o $@

# Not for the sanitizers: it comes before theirs.
$(BUILD)/torture/malloc_fault.so: tests/torture/malloc_fault.c
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC -O2 -g -D_GNU_SOURCE -std=c17 -Wall -Wextra -Werror $< -o $@ -ldl

TORTURE_UNITS := sqs dynamodb http envelope envelope_blob json sigv4 aws_credentials_wire aws_profile admin

torture-all: $(TORTURE_BINS) $(BUILD)/torture/malloc_fault.so $(BINS) $(TORTURE_UNITS:%=$(BUILD)/unit/test_%)

torture: deps-test ## each call of a core fails, alone and in pairs; each allocation fails; under AddressSanitizer
	@$(MAKE) --no-print-directory -s VARIANT=asan torture-all
	@TORTURE_PAIRS=1 UNIT_TIME_LIMIT_S=3600 tests/harness/run-unit $(TORTURE_BINS:$(BUILD)/%=$(BUILD_ROOT)/asan/%)
	@tests/torture/allocations $(BUILD_ROOT)/asan

torture-quick: $(TORTURE_BINS)
	@UNIT_TIME_LIMIT_S=600 tests/harness/run-unit $^

fuzz-replay: $(FUZZ_BINS) ## give the committed inputs to the fuzz targets of VARIANT
	@tests/fuzz/replay-all $(BUILD)/fuzz

fuzz: deps-fuzz ## every fuzz target for SECONDS (600) each; FUZZ="json delay": these alone; JOBS=2: two at a time
	@$(MAKE) --no-print-directory -s VARIANT=fuzz fuzz-bins
	@SECONDS_EACH=$(or $(SECONDS),600) tests/fuzz/run $(BUILD_ROOT)/fuzz/fuzz

fuzz-bins: $(FUZZ_BINS)

SEEDS ?= 500
sim: $(BUILD)/sim ## SEEDS new seeds of the simulator (500), or the trace of one: SEED=n
	@$(if $(SEED),$(BUILD)/sim --seed $(SEED),$(BUILD)/sim --kept tests/sim/seeds.txt && $(BUILD)/sim --count $(SEEDS) --jobs 2)

mutants: ## show that the simulator finds each planted bug and reaches each mark
	@tests/sim/mutants
	@tests/sim/marks

purity: $(BUILD)/purity.ok ## prove that pure modules call nothing of the outside

format: ## clang-format over everything
	clang-format -i $$(git ls-files '*.c' '*.h')

# Everything pure linked to one object: what is then still undefined comes from outside, and must be on the list.
PURE_ALLOWED := mem(cpy|move|set|cmp|chr|rchr|mem)|str(len|nlen|cmp|ncmp|casecmp|ncasecmp|chr|rchr|spn|cspn)|v?snprintf \
  |__(memcpy|memmove|memset|snprintf|vsnprintf|fprintf|explicit_bzero)_chk|explicit_bzero|qsort|bsearch|toupper|tolower \
  |malloc|calloc|realloc|free|abort|stderr|fprintf|fwrite|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__isoc99_.*|strto(d|l|ll|ull) \
  |timegm|gmtime_r|ldexp|pow|cbrt|fmod|floor|ceil|exp|log|isnan|__ctype_.* \
  |(EVP|HMAC|SHA256|MD5|OPENSSL|CRYPTO)_.*|SHA256|MD5|HMAC|crc32(_z)?|__cpu_model|ZSTD_.*|cJSON_.*
CORE_ALLOWED := mem(cpy|move|set|cmp)|strcmp|__mem(cpy|move|set)_chk|strlen|check_failed|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_
# Headers of I/O, and the pure modules that take a plain type out of one.
IO_HEADERS := loop http kafka log admin program program_emf table_setup dependency_check
SEES_LOOP  := aws_credentials_wire aws_identity aws_metrics
empty :=
space := $(empty) $(empty)

$(BUILD)/purity.ok: $(PURE_OBJS) $(CORE_OBJS)
	@ld -r -o $(BUILD)/pure.o $(PURE_OBJS)
	@! nm -u $(BUILD)/pure.o | awk '{print $$2}' | grep -vxE '$(subst $(space),,$(PURE_ALLOWED))' \
	  || { echo "purity: a pure module calls the above"; exit 1; }
	@ld -r -o $(BUILD)/core.o $(CORE_OBJS) $(CORE_BASE_OBJS)
	@! nm -u $(BUILD)/core.o | awk '{print $$2}' | grep -vxE '$(subst $(space),,$(CORE_ALLOWED))' \
	  || { echo "purity: a core calls the above"; exit 1; }
	@! grep -lE 'common/($(subst $(space),|,$(IO_HEADERS)))\.h' $(filter-out $(SEES_LOOP:%=$(OBJ)/common/%.d),$(PURE_OBJS:.o=.d)) \
	  || { echo "purity: the above say what a pure module includes, and that is I/O"; exit 1; }
	@echo "purity: $(words $(PURE_OBJS)) pure modules, $(words $(CORE_OBJS)) of them cores" | tee $@

readme: all ## bring the settings tables of README.md up to date
	@tests/tools/update-readme

# What is shipped: each file once, until it changes or what it includes does.
TIDY_SRCS   := $(LIB_SRCS) $(MAIN_SRCS)
TIDY_STAMPS := $(patsubst %.c,$(BUILD)/tidy/%.ok,$(sort $(TIDY_SRCS)))

$(TIDY_STAMPS): $(BUILD)/tidy/%.ok: $(OBJ)/%.o .clang-tidy
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $*.c -- -I. $(pkg_cflags) -D_GNU_SOURCE -std=c17 \
	  >$(@:.ok=.log) 2>&1 || { cat $(@:.ok=.log); exit 1; }
	@touch $@

tidy: $(TIDY_STAMPS)

# cppcheck and gcc's analyzer look at what judges, too; cppcheck keeps its own account of changes.
CPPCHECK := cppcheck -q --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability,performance \
  --suppressions-list=tests/lint/cppcheck -I. -D_GNU_SOURCE
analyze: $(LIB_SRCS) $(MODEL_SRCS) $(LOAD_SRCS)
	@mkdir -p $(BUILD)/cppcheck
	@$(CPPCHECK) --cppcheck-build-dir=$(BUILD)/cppcheck $^
	@$(MAKE) --no-print-directory -s VARIANT=analyze analyzed

analyzed: $(LIB) $(MODEL_LIB) $(LOAD_LIB)

lint: tidy analyze ## static analysis, formatting, scripts, include arrows, banned functions, disabled tests
	@tests/lint/run

deps: ## install the Debian packages that building and testing need
	@tests/stack/deps test

deps-build:
	@tests/stack/deps build

deps-native: ## install the Debian packages that the native stack needs besides
	@tests/stack/deps native

deps-test:
	@tests/stack/deps test

deps-fuzz:
	@tests/stack/deps fuzz

demo: deps-build ## build, start everything, send delayed records, watch them arrive, judge, stop
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" all
	@tests/stack/demo

up: deps-build ## start the embedded stack and ROUTERS, SCHEDULERS, RELAYS of each program in the background
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" all
	@tests/stack/up

down: ## stop what `make up` started
	@tests/stack/down

logs: ## what the programs of `make up` say (FOLLOW=1 goes on)
	@tests/stack/logs

native-up: deps-native ## start the native stack: Kafka, LocalStack (SQS=elasticmq: that) and DynamoDB Local, and the programs
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" all
	@tests/native/up

native-down: ## stop what `make native-up` started
	@tests/native/down

test-native: deps-build ## the end-to-end tests on Kafka, LocalStack and ElasticMQ, DynamoDB Local; "N passed, N failed"
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" all
	@tests/native/run

e2e: all ## end-to-end tests with the binaries of VARIANT on the embedded stack
	@VARIANT=$(VARIANT) tests/e2e/run

e2e-full: all ## the same and 50,000 records at 2,000/s on two replicas of each program
	@E2E_FULL=1 VARIANT=$(VARIANT) tests/e2e/run

chaos: deps-test ## kills, stops, starves and cuts off the real programs; what that may cost is judged (build/chaos)
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" VARIANT=chaos all
	@tests/chaos/run

chaos-full: deps-test ## the same with outages of 60 s at 2,000/s, ten minutes of crashes and a soak of 30 minutes at 5,000/s
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" VARIANT=chaos all
	@CHAOS_OUTAGES=sqs,dynamodb,kafka CHAOS_OUTAGE_S=60 CHAOS_OUTAGE_RATE=2000 CHAOS_SOAK_S=1800 CHAOS_SOAK_RATE=5000 CHAOS_CRASHES_S=600 CUT_OFFSETS=1500 tests/chaos/run

differential: $(BUILD)/differential ## SQS and DynamoDB case by case: the emulator against AWS's documents, other servers against it
	@VARIANT=$(VARIANT) tests/differential/run

test: ## install what is missing, build, and run every test; ends with "N passed, N failed"
	@tests/harness/run-all

image: all ## build the images' contents without an engine, count them, run them (root, debootstrap)
	@tests/image/run

clean: ## remove everything that was built
	rm -rf $(BUILD_ROOT)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Absent where only the images are built.
-include tests/bench/bench.mk

FORCE:
.PHONY: all programs lib unit sim mutants torture torture-all torture-quick fuzz fuzz-bins fuzz-replay purity format readme \
  lint tidy analyze analyzed deps deps-build deps-test deps-fuzz deps-native demo up down logs native-up native-down \
  test-native e2e e2e-full chaos chaos-full differential test image clean help FORCE
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
