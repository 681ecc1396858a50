# banger - disposable Linux virtual machines in one command.  GNU make, no generated build system.
#
# Sources are found by wildcard: a new lib/<layer>/<name>.c or cmd/banger/<name>.c needs no edit here.

VERSION  := $(shell sed -n 's/^## \([0-9][^ ]*\).*/\1/p' NEWS 2>/dev/null | head -n 1)
COMMIT   := $(shell git rev-parse --short=8 HEAD 2>/dev/null || echo unknown)
BUILD    ?= build
PREFIX   ?= /usr/local
LIBDIR   ?= $(PREFIX)/lib
DESTDIR  ?=
CC       ?= gcc
ifeq ($(origin CC),default)
CC       := gcc
endif
MUSL_CC  ?= musl-gcc
# What is linked, and what is loaded when it is first needed (lib/base/library.h).
PKG      := ext2fs com_err inih
PKG_LATE := libarchive libcurl libcrypto devmapper libnl-route-3.0
PKGFLAGS := $(shell pkg-config --cflags $(PKG) $(PKG_LATE) 2>/dev/null)
LIBS      = $(shell pkg-config --libs $(PKG)) -lpthread
WARN     := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 \
            -Wpointer-arith -Wwrite-strings -Wundef -Wno-missing-field-initializers -Werror
OPT      ?= -O2 -g
CPPFLAGS_ALL = -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ilib -Icmd -I$(BUILD)/include \
            -include base/banned.h $(PKGFLAGS) $(CPPFLAGS)
CFLAGS_ALL = -std=gnu11 $(OPT) $(WARN) -fstack-protector-strong -fPIE $(SAN) $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now $(SAN) $(LDFLAGS)

LIB_SRC   := $(sort $(wildcard lib/*/*.c))
CMD_SRC   := $(sort $(wildcard cmd/banger/*.c))
AGENT_SRC := $(sort $(wildcard cmd/banger-agent/*.c)) \
             $(addprefix lib/base/,mem.c fault.c buf.c json.c record.c) \
             $(wildcard lib/guest/frame.c lib/guest/seed.c lib/guest/report.c) \
             $(wildcard lib/guest/tar_*.c lib/guest/tree_*.c)
LIB_OBJ   := $(LIB_SRC:%.c=$(BUILD)/%.o) $(BUILD)/catalog_json.o $(BUILD)/nss_image.o \
             $(if $(wildcard cmd/banger-agent/main.c),$(BUILD)/agent_image.o)
CMD_OBJ   := $(CMD_SRC:%.c=$(BUILD)/%.o)
WATCH_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard cmd/banger-watch/*.c)))
AGENT_OBJ := $(AGENT_SRC:%.c=$(BUILD)/agent/%.o)
UNIT_SRC  := $(sort $(wildcard tests/unit/*.c))
UNIT_BIN  := $(UNIT_SRC:%.c=$(BUILD)/%)
TOOL_BIN  := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/tools/*.c)))

NSS_SRC   := $(sort $(wildcard cmd/nss-banger/*.c))

all: $(BUILD)/banger $(BUILD)/banger-watch $(BUILD)/libnss_banger.so.2

$(BUILD)/include/build_info.h: NEWS FORCE
	@mkdir -p $(@D)
	@printf '#define BANGER_VERSION "%s"\n#define BANGER_COMMIT "%s"\n' '$(VERSION)' '$(COMMIT)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/libbanger.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

$(BUILD)/banger: $(CMD_OBJ) $(BUILD)/libbanger.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(CMD_OBJ) $(BUILD)/libbanger.a $(LIBS)

# As little as it needs: it stays in memory.
$(BUILD)/banger-watch: $(WATCH_OBJ) $(BUILD)/libbanger.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -Wl,--as-needed -o $@ $(WATCH_OBJ) $(BUILD)/libbanger.a $(LIBS)

$(BUILD)/%.o: %.c | $(BUILD)/include/build_info.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Its text is part of the program.
$(BUILD)/cmd/banger/cmd_completion.o: $(wildcard completions/*)
$(BUILD)/cmd/banger/system_files.o: $(wildcard packaging/banger*)

# The guest side: static, musl, the same base code.
AGENT_CFLAGS = -std=gnu11 -Os $(WARN) -fno-asynchronous-unwind-tables -ffunction-sections \
            -fdata-sections -D_GNU_SOURCE -Ilib -Icmd -I$(BUILD)/include -include base/banned.h \
            -idirafter /usr/include -idirafter /usr/include/$(shell gcc -print-multiarch)

$(BUILD)/agent/%.o: %.c | $(BUILD)/include/build_info.h
	@mkdir -p $(@D)
	$(MUSL_CC) $(AGENT_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/banger-agent: $(AGENT_OBJ)
	$(MUSL_CC) -static -Wl,--gc-sections -s -o $@ $(AGENT_OBJ)

# The agent travels inside banger, so the two can never be of different versions on disk.
$(BUILD)/agent_image.o: $(BUILD)/banger-agent
	printf '.section .rodata\n.global agent_image, agent_image_end\n.balign 16\nagent_image:\n.incbin "%s"\nagent_image_end:\n.section .note.GNU-stack,"",%%progbits\n' '$<' | $(CC) -x assembler -c -o $@ -

# Loaded into other people's programs: libc only, nothing but the interface visible, no sanitizers.
$(BUILD)/libnss_banger.so.2: $(NSS_SRC) $(wildcard cmd/nss-banger/*.h) lib/base/banned.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -Ilib -Icmd -include base/banned.h -fPIC \
		-fvisibility=hidden -fstack-protector-strong -shared -Wl,-soname,libnss_banger.so.2 \
		-Wl,-z,relro,-z,now,-z,defs -o $@ $(NSS_SRC)

# 'banger system install' needs nothing but the program itself.
$(BUILD)/nss_image.o: $(BUILD)/libnss_banger.so.2
	printf '.section .rodata\n.global nss_image, nss_image_end\n.balign 16\nnss_image:\n.incbin "%s"\nnss_image_end:\n.section .note.GNU-stack,"",%%progbits\n' '$<' | $(CC) -x assembler -c -o $@ -

$(BUILD)/catalog_json.o: packaging/catalog.json
	@mkdir -p $(@D)
	printf '.section .rodata\n.global catalog_json, catalog_json_end\ncatalog_json:\n.incbin "%s"\ncatalog_json_end:\n.section .note.GNU-stack,"",%%progbits\n' '$<' | $(CC) -x assembler -c -o $@ -

clean:
	rm -rf $(BUILD)

# ---------------------------------------------------------------------------------- tests

unit: $(UNIT_BIN) $(TOOL_BIN)
	@for t in $(UNIT_BIN); do $$t || exit 1; done

unit-build: $(UNIT_BIN) $(TOOL_BIN)

# The commands without main(); a test may bring a table of commands of its own.
$(BUILD)/libcmd.a: $(CMD_OBJ)
	@rm -f $@
	$(AR) rcs $@ $(filter-out %/main.o,$(CMD_OBJ))

# What tests written in shell need and no package has.
$(BUILD)/tests/tools/%: tests/tools/%.c $(BUILD)/libbanger.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(BUILD)/libbanger.a $(LIBS)

$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libcmd.a $(BUILD)/libbanger.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -MF $@.d $(LDFLAGS_ALL) -o $@ $< $(BUILD)/libcmd.a $(BUILD)/libbanger.a $(LIBS) -lcmocka

# AddressSanitizer and UndefinedBehaviorSanitizer, in a build directory of their own.
ASAN = BUILD=$(BUILD)/asan OPT='-O1 -g' \
       SAN='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
asan:
	+$(MAKE) $(ASAN) all unit
asan-build:
	+$(MAKE) $(ASAN) all unit-build

# The second compiler has its own opinion on what deserves a warning.
clang-build:
	+$(MAKE) BUILD=$(BUILD)/clang CC=clang all unit-build

# libFuzzer: every target for FUZZ_SECONDS on its seeds.  What it finds stays in build/fuzz/found.
FUZZ_SECONDS ?= 10
FUZZ_SRC  := $(sort $(wildcard tests/fuzz/*.c))
FUZZ_BIN  := $(FUZZ_SRC:%.c=$(BUILD)/%)
FUZZ = BUILD=$(BUILD)/fuzz CC=clang OPT='-O1 -g' \
       SAN='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'
fuzz-build:
	+$(MAKE) $(FUZZ) fuzz-targets
fuzz-targets: $(FUZZ_BIN)
fuzz: fuzz-build
	tests/fuzz/run.sh $(BUILD)/fuzz $(FUZZ_SECONDS)

$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(BUILD)/libbanger.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -Wno-missing-prototypes -MMD -MP -MF $@.d $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(BUILD)/libbanger.a $(LIBS)

# Everything.  Installs what is missing, builds with both compilers and with the sanitizers, runs
# all suites and ends with one line that counts.
SUITES ?= lint unit asan fuzz cli cli-asan crash workspace
BESIDE ?= vm lab
check:
	packaging/deps.sh build run test
	+$(MAKE) --no-print-directory check-build
	tests/run.sh $(if $(BESIDE),--beside '$(BESIDE)') $(SUITES)

JOBS ?= $(shell nproc)
check-build:
	+$(MAKE) -s --no-print-directory -j$(JOBS) all unit-build
	+$(MAKE) -s --no-print-directory -j$(JOBS) clang-build
	+$(MAKE) -s --no-print-directory -j$(JOBS) asan-build
	+$(MAKE) -s --no-print-directory -j$(JOBS) fuzz-build

check-lab: $(BUILD)/banger $(TOOL_BIN)
	tests/run.sh lab

# Every point of every sweep, ten minutes of everything at once, and workspaces at length.
soak: $(BUILD)/banger unit-build
	CRASH_POINTS=0 CRASH_LIMIT=7200 SOAK_SECONDS=600 tests/run.sh crash
	BANGER=$(abspath $(BUILD))/banger STOP_ROUNDS=100 bats -f 'lesson 19' tests/vm/life.bats
	BANGER=$(abspath $(BUILD))/banger WORKSPACE_ROUNDS=200 WORKSPACE_GIT_ROUNDS=100 bats tests/vm/workspace_property.bats
	BANGER=$(abspath $(BUILD))/banger bats tests/vm/workspace_large.soak
	BANGER=$(abspath $(BUILD))/banger WORKSPACE_REPOS=3 bats tests/vm/workspace_repos.bats

# For a person: a shell in the lab.
lab-shell: $(BUILD)/banger $(TOOL_BIN)
	tests/lab/run.sh --shell

check-layers:
	tests/lint/layers.sh

check-size:
	tests/lint/size.sh

check-docs: $(BUILD)/banger
	tests/lint/docs.sh

# Ratios against named alternatives, in one run.
bench: $(BUILD)/banger
	@for b in $(sort $(wildcard tests/bench/*.sh)); do $$b || exit 1; done

TIDY_SRC = $(filter-out cmd/banger-agent/%,$(LIB_SRC) $(CMD_SRC))
tidy: $(BUILD)/include/build_info.h
	clang-tidy --quiet $(TIDY_SRC) -- -std=gnu11 $(CPPFLAGS_ALL)

format:
	clang-format -i $(LIB_SRC) $(CMD_SRC) $(AGENT_SRC) $(wildcard lib/*/*.h cmd/*/*.h)

# man/ is committed, so that building needs no second step; a test compares the two.
man: $(BUILD)/banger
	rm -f man/*.1 man/*.5
	$(BUILD)/banger internal man man

# ---------------------------------------------------------------------------------- installing

# From a fresh clone to a command's output out of a virtual machine.
quickstart:
	packaging/deps.sh build run
	+$(MAKE) -s --no-print-directory -j$(JOBS) all
	$(BUILD)/banger vm run --rm -- uname -a

INSTALLED = $(PREFIX)/bin/banger $(PREFIX)/bin/banger-watch \
            $(patsubst man/%,$(PREFIX)/share/man/man1/%,$(wildcard man/*.1)) \
            $(patsubst man/%,$(PREFIX)/share/man/man5/%,$(wildcard man/*.5)) \
            $(LIBDIR)/libnss_banger.so.2 \
            $(PREFIX)/share/bash-completion/completions/banger \
            $(PREFIX)/share/zsh/site-functions/_banger \
            $(PREFIX)/share/fish/vendor_completions.d/banger.fish

install: all
	install -D -m 0755 $(BUILD)/banger $(DESTDIR)$(PREFIX)/bin/banger
	install -m 0755 $(BUILD)/banger-watch $(DESTDIR)$(PREFIX)/bin/banger-watch
	install -D -m 0644 $(BUILD)/libnss_banger.so.2 $(DESTDIR)$(LIBDIR)/libnss_banger.so.2
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0644 $(wildcard man/*.1) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 $(wildcard man/*.5) $(DESTDIR)$(PREFIX)/share/man/man5
	install -D -m 0644 completions/banger.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/banger
	install -D -m 0644 completions/_banger $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_banger
	install -D -m 0644 completions/banger.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/banger.fish

# Exactly the files that install puts there; directories may be somebody else's and stay.
uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))

FORCE:
.PHONY: all clean soak unit unit-build asan asan-build clang-build fuzz fuzz-build fuzz-targets check \
        check-build check-layers check-size check-docs bench tidy format man quickstart install \
        uninstall FORCE
-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d) $(WATCH_OBJ:.o=.d) $(AGENT_OBJ:.o=.d) $(UNIT_BIN:=.d) $(FUZZ_BIN:=.d)
