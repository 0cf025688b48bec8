# run     build, start a cluster of six processes, show that it loses nothing; ARGS=--once to end by itself
# test    everything needed to pass the tests, and the tests
# verify  the gate: format, lints, documentation, house rules; writes nothing into the tree
# fix     what a machine can put right: format and simple lints
# bench   the figures, with ratios against a baseline of the same run; ARGS=--quick for a short one
# fuzz    every decoder and recovery against a fuzzer, SECONDS=60 each; prints executions per second
# clean   the build folder and the development cluster's data

# One profile for tests and runs, so RocksDB is compiled once. Outside the clone, so a second clone is quick.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/trimaran/target
CARGO_FLAGS := --release --locked
BIN := $(CARGO_TARGET_DIR)/release
DEMO_DIR ?= .trimaran-demo
# The cases of property tests, the same for everybody; another number tries others.
export PROPTEST_RNG_SEED ?= 3141592653

.PHONY: run test verify fix bench fuzz clean tools build

tools:
	@.ci/build-tools
	@.ci/claim-build-folder "$(CARGO_TARGET_DIR)"

build: tools
	cargo build $(CARGO_FLAGS) --workspace --bins

run: build
	$(BIN)/trimaran demo --data tests/data/flights.ndjson --dir $(DEMO_DIR) $(ARGS)

test: build
	TRIMARAN_BIN_DIR=$(BIN) cargo test $(CARGO_FLAGS) --workspace --no-fail-fast

verify: tools
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --workspace --no-deps --document-private-items
	cargo test $(CARGO_FLAGS) --package trimaran-tests --test tidy

fix:
	cargo clippy --release --workspace --all-targets --fix --allow-dirty --allow-staged
	cargo fmt --all

bench: build
	cargo bench --locked --package trimaran-commit-log --bench append --bench clean --bench codecs --bench many_logs
	cargo bench --locked --package trimaran-commit-log --bench read --bench recovery --bench synced -- $(filter --quick,$(ARGS))
	cargo bench --locked --package trimaran-commit-log --bench durability -- --quick
	TRIMARAN_BIN_DIR=$(BIN) cargo run $(CARGO_FLAGS) --package trimaran-tests --bin bench -- $(ARGS)

SECONDS ?= 60
fuzz: tools
	@.ci/fuzz $(SECONDS) $(ARGS)

clean:
	rm -rf "$(DEMO_DIR)" .trimaran-dev
	cargo clean
