# Benchmarks: tests/bench/README.md.

BENCH_BINS := $(BUILD)/feed $(BUILD)/micro

$(BUILD)/feed: $(OBJ)/tests/bench/feed.o $(LOAD_LIB) $(OBJ)/common/check.o
	$(Q)$(LINK) $^ $(pkg_libs) -o $@

# The rigs of the unit tests move the cores.
$(BUILD)/micro: $(OBJ)/tests/bench/micro.o $(HARNESS_LIB) $(MODEL_LIB) $(LOAD_LIB) $(LIB)
	$(Q)$(LINK) $^ $(pkg_libs) $(test_libs) -o $@

bench-bins: $(BENCH_BINS)

bench: deps-test ## measure; build/bench has results.json, the table and plots. BENCH="router cost": these alone
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" all bench-bins
	@tests/bench/run $(BENCH)

bench-quick: deps-test ## programs alone and prices with less work, once, in some three minutes; says little
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" all bench-bins
	@tests/bench/run --quick $(or $(BENCH),router scheduler relay cost)

instructions: ## instructions of the hot paths (callgrind) against what they were: tests/bench/instructions.json
	@$(MAKE) --no-print-directory -s bench-bins
	@tests/bench/instructions

.PHONY: bench bench-quick bench-bins instructions
