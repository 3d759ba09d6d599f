# Benchmarks: tests/bench/README.md.

BENCH_BINS := $(BUILD)/feed

$(BUILD)/feed: $(OBJ)/tests/bench/feed.o $(LOAD_LIB) $(OBJ)/common/check.o
	$(Q)$(LINK) $^ $(pkg_libs) -o $@

bench-bins: $(BENCH_BINS)

bench: deps-test ## measure; build/bench has results.json, the table and plots. BENCH="router cost": these alone
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" all bench-bins
	@tests/bench/run $(BENCH)

bench-quick: deps-test ## programs alone and prices with less work, once, in some three minutes; says little
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" all bench-bins
	@tests/bench/run --quick $(or $(BENCH),router scheduler relay cost)

.PHONY: bench bench-quick bench-bins
