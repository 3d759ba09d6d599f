# Benchmarks: tests/bench/README.md.

BENCH_BINS := $(BUILD)/feed $(BUILD)/emit $(BUILD)/micro $(BUILD)/peer

$(BUILD)/feed $(BUILD)/emit: $(BUILD)/%: $(OBJ)/tests/bench/%.o $(LOAD_LIB) $(OBJ)/common/check.o
	$(Q)$(LINK) $^ $(pkg_libs) -o $@

PEER_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/bench/peers/*.c))
$(BUILD)/peer: $(OBJ)/tests/bench/peer.o $(PEER_OBJS) $(LOAD_LIB) $(addprefix $(OBJ)/common/,buf.o mem.o check.o)
	$(Q)$(LINK) $^ $(pkg_libs) -o $@
$(BUILD)/unit/test_bench_peers: $(PEER_OBJS)

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

# What cannot be had is skipped, so that without a network, too, the others are measured.
bench-peers: deps-test ## the same work on beanstalkd, Redis and BullMQ, too (build/bench/peers.md). PEERS="redis": it alone and ours; RUNS=3 SECONDS=10
	@tests/stack/deps peers || echo "bench-peers: what is missing is skipped" >&2
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" all bench-bins
	@tests/bench/run peers --runs $(or $(RUNS),3) --seconds $(or $(SECONDS),10) $(PEERS)

bench-peers-quick: deps-test ## the same with a tenth of the records, once; says little
	@tests/stack/deps peers || echo "bench-peers: what is missing is skipped" >&2
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" all bench-bins
	@tests/bench/run peers --runs 1 --seconds 1 --burst 10000 --burst-delay 6 $(PEERS)

instructions: ## instructions of the hot paths (callgrind) against what they were: tests/bench/instructions.json
	@$(MAKE) --no-print-directory -s bench-bins
	@tests/bench/instructions

.PHONY: bench bench-quick bench-bins bench-peers bench-peers-quick instructions
