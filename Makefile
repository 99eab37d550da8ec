# The common tasks of this project. `make` alone lists them.

CARGO ?= cargo
# Passed to the server by `run`, `dev` and `start`.
ARGS ?=
# The number of simulated days.
SEEDS ?= 2000
# Seconds per fuzz target.
TIME ?= 60
# For the load test: the number of sessions (of two people), the duration, the URL of a running
# server (ws:// or wss://), and further options.
SESSIONS ?= 100
DURATION ?= 60s
URL ?=
LOAD ?=
# UPDATE=1 makes the present counts the new baseline.
UPDATE ?=

# In CI, the locked versions of dependencies must not change.
LOCKED := $(if $(CI),--locked)
TARGET = $(shell $(CARGO) metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')

.DEFAULT_GOAL := help
.PHONY: help run dev build start test test-rust test-browser lint type-check bench bench-report instructions fuzz simulate
.PHONY: load-test dist

help: ## Lists the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: ## Builds and starts the server in development mode; prints where to open it.
	NODE_ENV=development exec $(CARGO) run $(LOCKED) -- $(ARGS)

dev: ## The same, and restarts it on every change of the sources.
	CARGO="$(CARGO)" exec bash .ci/dev.sh $(ARGS)

build: ## Builds the release binary.
	$(CARGO) build --release $(LOCKED)

dist: ## Builds static binaries (x86-64, and aarch64 with Debian's cross tools), tries them in an empty root, and puts them into target/dist.
	CARGO="$(CARGO)" exec bash .ci/dist.sh

start: build ## Starts the release binary in production mode, with the settings of the environment.
	NODE_ENV=production exec "$(TARGET)/release/autamedica-signaling" $(ARGS)

test: test-rust test-browser ## Runs all tests, including those in a browser, and installs what they need.

test-rust: ## Runs only the tests in Rust.
	bash .ci/coturn.sh
	bash .ci/programs.sh
	$(CARGO) test $(LOCKED) --all-features --no-fail-fast

test-browser: ## Runs only the tests in a browser.
	CARGO="$(CARGO)" bash .ci/browser-tests.sh

simulate: ## Simulates SEEDS days of a hospital with faults; SIMULATION_SEED replays a failing seed.
	SIMULATION_SEEDS=$(SEEDS) $(CARGO) test $(LOCKED) --profile simulation --test simulation -- --nocapture

lint: ## Checks the formatting and runs the linters.
	$(CARGO) fmt --check
	$(CARGO) clippy $(LOCKED) --all-targets --all-features -- -D warnings

type-check: ## Checks types only (fast).
	$(CARGO) check $(LOCKED) --all-targets --all-features

bench: ## Runs the benches.
	$(CARGO) bench $(LOCKED)

load-test: $(if $(URL),,build) ## Puts the server under load: SESSIONS, DURATION, URL of a running server, further options in LOAD.
	$(CARGO) build --release $(LOCKED) --example load_test
	"$(TARGET)/release/examples/load_test" --sessions "$(SESSIONS)" --duration "$(DURATION)" \
		$(if $(URL),--url "$(URL)",--server "$(TARGET)/release/autamedica-signaling") \
		--json "$(TARGET)/load-test.json" --html "$(TARGET)/load-test.html" $(LOAD)

bench-report: ## Runs the benches with a floor, and puts their ratios on one page in the target directory.
	CARGO="$(CARGO)" exec bash benches/report.sh

instructions: ## Counts the instructions of hot functions, and fails if they have grown (UPDATE=1 makes a new baseline).
	CARGO="$(CARGO)" UPDATE="$(UPDATE)" exec bash benches/instructions.sh

fuzz: ## Fuzzes every target for TIME seconds each.
	CARGO="$(CARGO)" exec bash .ci/fuzz.sh $(TIME)
