# Servers that are missing are installed by the first target that needs them.
GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
# What is known by its date comes as a module, from wherever the others come.
VULNDB_VERSION := v0.0.0-20261105234957-e22db6528018
export CGO_ENABLED ?= 0
FUZZTIME ?= 1m
# Modules of their own, for the libraries that orderd does without; ./... does not reach into them.
LOCKBENCH := loadtest/lockbench
ALERTS := deploy/alertstest
CHARTS := loadtest/report/page/echarts

.DEFAULT_GOAL := help
.PHONY: help demo run soak test fuzz lint vulncheck build report-charts report-picture bench-picture compose-demo setup clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## see which lock modes oversell and which do not, on real servers
	@bin/loadtest compare --orderd bin/orderd

run: setup ## a stack and three replicas to play with, until Ctrl-C
	@bin/loadtest play --orderd bin/orderd

soak: setup ## 10 minutes of mixed traffic while replicas and servers crash and restart
	@bin/loadtest doctor --balancer --install
	@bin/loadtest soak --orderd bin/orderd

test: setup ## run all tests on real servers, with the race detector
	@bin/loadtest doctor --compiler --browser --balancer --install
	CGO_ENABLED=1 go build -race ./...
	CGO_ENABLED=1 go test -p 1 -parallel 4 -race -shuffle=on -timeout 15m ./... # one package at a time, for each has servers of its own; its tests mostly wait
	cd $(LOCKBENCH) && CGO_ENABLED=1 go test -race -shuffle=on -timeout 10m ./...
	cd $(ALERTS) && go test -count 1 ./... # a result that go test kept would not be of alerts.yml as it is now

fuzz: ## look for inputs that break what reads them, for FUZZTIME (1m) each
	go test ./internal/order -run '^$$' -fuzz '^FuzzOrder$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1s
	go test ./internal/stock -run '^$$' -fuzz '^FuzzKey$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1s
	go test ./internal/access -run '^$$' -fuzz '^FuzzKeys$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1s
	go test ./cmd/orderd -run '^$$' -fuzz '^FuzzRedisURL$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1s

lint: bin/golangci-lint-$(GOLANGCI_LINT_VERSION) ## check style, imports and common mistakes
	go mod verify
	go mod tidy -diff
	GOOS=darwin go vet ./internal/stack/... ./loadtest/...
	$< run ./...
	cd $(LOCKBENCH) && go mod tidy -diff && GOOS=darwin go vet ./... && $(CURDIR)/$< run ./...
	cd $(ALERTS) && go mod tidy -diff && $(CURDIR)/$< run ./...

vulncheck: ## look for known vulnerabilities in what orderd calls
	go mod download golang.org/x/vulndb@$(VULNDB_VERSION)
	go run golang.org/x/vulndb/cmd/indexdb@$(VULNDB_VERSION) -out bin/vulndb -vulns $$(go env GOMODCACHE)/golang.org/x/vulndb@$(VULNDB_VERSION)/data/osv
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) -db file://$(CURDIR)/bin/vulndb ./...

report-charts: ## build the charts of report.html again; needs Node
	cd $(CHARTS) && npm ci --ignore-scripts && npm run build && cp node_modules/echarts/LICENSE ../echarts.LICENSE

report-picture: ## take the picture of the latest report for the README
	mkdir -p docs
	go test ./loadtest/report -run '^TestPicture$$' -count 1 -args -of $(CURDIR)/results/latest/report.html -picture $(CURDIR)/docs/report.png

bench-picture: build ## write docs/speed.md and its pictures from the latest run of loadtest bench
	bin/loadtest report --markdown docs/speed.md results/latest
	go test ./loadtest/report -run '^TestPictures$$' -count 1 -args -of $(CURDIR)/results/latest/report.html -pictures $(CURDIR)/docs

compose-demo: ## the same oversell and its prevention, in containers behind a balancer
	deploy/compose-demo.sh

build: ## build bin/orderd and bin/loadtest
	go build -trimpath -o bin/ ./cmd/orderd ./loadtest

setup: build
	@bin/loadtest doctor --install

clean: ## delete what was built and measured
	rm -rf bin results

bin/golangci-lint-$(GOLANGCI_LINT_VERSION):
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv bin/golangci-lint $@
