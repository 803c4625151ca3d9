# SPDX-License-Identifier: BSD-3-Clause
#
# Builds Cogwheel. One file, no configure step: what the machine lacks is found by deps/check,
# sources are found by wildcard, objects lie under build/<variant>/, so that a sanitizer build
# never disturbs the release build.
#
#   make                  build/redis-server, the release build
#   make deps             install what building and testing need (Debian, Ubuntu)
#   make demo             set up, build, run gears jobs on real data
#   make test             set up, build, run every test
#   make unit             the C unit tests alone;  make unit-ds: one folder's
#   make objects          compile everything, link nothing
#   make fuzz             the libFuzzer targets (clang); make fuzz-replay: their corpora, any compiler
#   make bench, soak, lint, install, redis.conf, clean
#
#   SANITIZE=address|undefined|thread   MALLOC=libc   PYTHON=no   PREFIX=... DESTDIR=...
#   V=1 shows the commands;  WERROR= builds with a compiler whose warnings we don't know yet

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

CC        = gcc
MALLOC    ?= jemalloc
PYTHON    ?= yes
SANITIZE  ?=
PREFIX    ?= /usr/local
DESTDIR   ?=
WERROR    ?= -Werror
PYTHON3   ?= /usr/bin/python3

include deps/deps.mk

# ---- variant -------------------------------------------------------------------------------
# The folder's name says what is in it. `address` brings `undefined` along: both find the same
# kind of fault, and one build of the two costs less than two.

comma := ,
sanitizers := $(sort $(subst $(comma), ,$(SANITIZE)))
ifneq ($(filter-out address undefined thread,$(sanitizers)),)
  $(error SANITIZE knows address, undefined and thread, not "$(SANITIZE)")
endif
ifneq ($(filter address,$(sanitizers)),)
  ifneq ($(filter thread,$(sanitizers)),)
    $(error SANITIZE: address and thread can't be combined)
  endif
  base_variant := asan
  san_flags    := -fsanitize=address,undefined -fno-sanitize-recover=undefined
else ifneq ($(filter thread,$(sanitizers)),)
  base_variant := tsan
  san_flags    := -fsanitize=thread
else ifneq ($(filter undefined,$(sanitizers)),)
  base_variant := ubsan
  san_flags    := -fsanitize=undefined -fno-sanitize-recover=undefined
else
  base_variant := release
  san_flags    :=
endif
# `make fuzz` calls make again with FUZZ=yes, a variant that only clang can build.
ifeq ($(FUZZ),yes)
  base_variant := fuzz
  san_flags    := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
endif
ifneq ($(san_flags),)
  override MALLOC := libc
endif

variant := $(base_variant)
ifeq ($(base_variant)-$(MALLOC),release-libc)
  variant := $(variant)-libc
endif
ifeq ($(PYTHON),no)
  variant := $(variant)-nopy
endif
B   := build/$(variant)
GEN := $(B)/gen

# ---- flags ---------------------------------------------------------------------------------

OPT      ?= $(if $(san_flags),-O1,-O2)
CPPFLAGS += -D_GNU_SOURCE -Isrc -I$(GEN)
# jemalloc is linked, not preloaded: every malloc of the process is its own, libpython's too.
ifeq ($(MALLOC),jemalloc)
  CPPFLAGS += -DHAVE_JEMALLOC=1
  LDLIBS   += $(DEP_JEMALLOC_LIBS)
endif
ifneq ($(PYTHON),no)
  CPPFLAGS += -DHAVE_PYTHON=1
endif
ifneq ($(san_flags),)
  CPPFLAGS += -DCOG_DEBUG=1
endif
WARN     := -Wall -Wextra $(WERROR)
ifneq ($(san_flags),)
  # The instrumentation hides assignments from this one warning; the release build has it.
  WARN   += $(if $(FUZZ),,-Wno-maybe-uninitialized)
endif
CFLAGS   += -std=gnu11 $(OPT) -g $(WARN) -fvisibility=hidden -fno-omit-frame-pointer -pthread \
            $(san_flags)
LDFLAGS  += -pthread $(san_flags)
LDLIBS   += $(DEP_CRYPTO_LIBS) $(DEP_LZF_LIBS) -lm

COMPILE = $(CC) $(CPPFLAGS) $(CFLAGS)

Q := $(if $(V),,@)
say = $(if $(V),@:,@echo "  $1	$2")

# ---- sources -------------------------------------------------------------------------------
# src/<folder>/ and, for gears, src/gears/<part>/. The programs under src/tools have a main of
# their own and aren't part of the server.

sources := $(filter-out src/tools/%,$(wildcard src/*/*.c src/gears/*/*.c))
ifeq ($(PYTHON),no)
  sources := $(filter-out src/gears/py/%,$(sources))
endif
objects := $(sources:src/%.c=$(B)/obj/%.o)

specs     := $(sort $(wildcard src/commands/spec/*.json))
generator := $(wildcard utils/gen-commands)
ifneq ($(and $(generator),$(specs)),)
  objects   += $(B)/obj/commands_table.o
  gen_stamp := $(GEN)/.stamp
endif

# ---- main targets --------------------------------------------------------------------------

.PHONY: all objects deps demo test bench soak lint install clean unit

ifneq ($(wildcard src/server/main.c),)
  server := $(B)/redis-server
endif

all: $(server)
ifeq ($(variant)-$(if $(server),yes),release-yes)
	$(Q)ln -sfn release/redis-server build/redis-server
	$(Q)ln -sfn redis-server build/redis-check-rdb
endif

objects: $(objects)

$(B)/redis-server: $(objects)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(objects) $(LDLIBS) $(if $(filter no,$(PYTHON)),,$(DEP_PYTHON_LIBS))

# What the machine lacks is said once, before the first compilation.
$(B)/.checked: deps/check deps/packages
	$(Q)deps/check build
	$(Q)mkdir -p $(B)
	$(Q)touch $@

# Objects depend on the flags they were built with, so a changed CFLAGS rebuilds them.
all_flags = $(COMPILE) $(PYTHON_CPPFLAGS) $(LDFLAGS) $(LDLIBS)
$(B)/.flags: FORCE | $(B)/.checked
	$(Q)echo '$(all_flags)' | cmp -s - $@ || echo '$(all_flags)' > $@
.PHONY: FORCE
FORCE:

$(B)/obj/%.o: src/%.c $(B)/.flags | $(gen_stamp)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# Python.h is for this folder only: nobody else gets its include path. Its data is reached
# through the GOT: else the linker copies libpython's objects into the program, which then
# exports them.
PYTHON_CPPFLAGS = $(DEP_PYTHON_CFLAGS) -fPIC
$(B)/obj/gears/py/%.o: private CPPFLAGS += $(PYTHON_CPPFLAGS)

# The Python half of gears' builder travels inside the binary.
$(GEN)/gears_%.h: src/gears/py/%.py utils/embed | $(B)/.checked
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON3) utils/embed gpy_$* $< $@
$(B)/obj/gears/py/gpy_start.o: $(GEN)/gears_prelude.h $(GEN)/gears_prelude_async.h

# And so does the program that installs packages.
$(GEN)/gears_packages.h: src/gears/packages.py utils/embed | $(B)/.checked
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON3) utils/embed gears_packages $< $@
$(B)/obj/gears/gpip.o: $(GEN)/gears_packages.h

$(B)/obj/commands_table.o: $(gen_stamp) $(B)/.flags
	$(call say,CC,$(GEN)/commands_table.c)
	$(Q)mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $(GEN)/commands_table.c

# Generated files are replaced only when they change, or each edited row would rebuild all.
$(GEN)/.stamp: $(generator) $(wildcard utils/lib/*.py) $(specs) | $(B)/.checked
	$(call say,GEN,$(GEN))
	$(Q)rm -rf $(GEN).new && mkdir -p $(GEN) $(GEN).new
	$(Q)$(PYTHON3) $(generator) --out $(GEN).new src/commands/spec
	$(Q)for f in $(GEN).new/*; do \
	  cmp -s $$f $(GEN)/$${f##*/} || mv $$f $(GEN)/; \
	done
	$(Q)rm -rf $(GEN).new
	$(Q)touch $@

# ---- unit tests ----------------------------------------------------------------------------
# tests/unit/<folder>/test_<x>.c is one program. It is linked with its folder and the tiers
# below and with nothing else, so an upward reference doesn't link.

tier0 := base
tier1 := ds net
tier2 := types conf
tier3 := keyspace
tier4 := exec
tier5 := acl pubsub observe tracking txn script persist repl cluster modapi gears
tier6 := commands
tier7 := server
below_1 := $(tier0)
below_2 := $(below_1) $(tier1)
below_3 := $(below_2) $(tier2)
below_4 := $(below_3) $(tier3)
below_5 := $(below_4) $(tier4)
below_6 := $(below_5) $(tier5)
below_7 := $(below_6) $(tier6)

objects_of = $(filter-out %/server/main.o,\
	$(foreach f,$1,$(filter $(B)/obj/$f/%,$(objects))) \
	$(if $(filter commands,$1),$(filter %/commands_table.o,$(objects))))

unit_tests := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*/test_*.c))
ifeq ($(PYTHON),no)
  unit_tests := $(filter-out %_py,$(unit_tests))
endif

$(B)/tests/unit/%.o: tests/unit/%.c $(B)/.flags | $(gen_stamp)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(COMPILE) -Itests/unit -MMD -MP -c -o $@ $<

# $1: folder, $2: the folders it may be linked with
define unit_rules
tests_of_$1 := $$(filter $$(B)/tests/unit/$1/%,$$(unit_tests))
$$(tests_of_$1): %: %.o $$(B)/tests/unit/unit.o $$(call objects_of,$1 $2)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS) \
	  $(if $(and $(filter gears commands server,$1),$(filter-out no,$(PYTHON))),$$(DEP_PYTHON_LIBS))
.PHONY: unit-$1 objects-$1
unit-$1: $$(tests_of_$1)
	$$(Q)tests/unit/run $(UNIT) $$^
objects-$1: $$(call objects_of,$1 $2)
endef
$(foreach t,0 1 2 3 4 5 6 7,\
  $(foreach f,$(tier$t),$(eval $(call unit_rules,$f,$(below_$t)))))

.PHONY: unit-programs
unit-programs: $(unit_tests)
unit: $(unit_tests)
	$(Q)tests/unit/run $(UNIT) $^

# ---- fuzz targets --------------------------------------------------------------------------
# tests/fuzz/target_<x>.c is one target. It is linked from an archive of all tiers up to
# `persist`, of which the linker takes what the target needs; once with libFuzzer's main, once
# with a main that replays files.

CLANG        ?= clang
fuzz_targets := $(patsubst tests/fuzz/target_%.c,%,$(wildcard tests/fuzz/target_*.c))
fuzz_main    := $(if $(FUZZ),fuzz,replay)
fuzz_dir     := $(B)/tests/fuzz
fuzz_helpers := $(addprefix $(fuzz_dir)/,common.o restore.o)
fuzz_objects := $(fuzz_targets:%=$(fuzz_dir)/target_%.o) $(fuzz_helpers) $(fuzz_dir)/$(fuzz_main).o
.SECONDARY: $(fuzz_objects)

$(fuzz_dir)/%.o: tests/fuzz/%.c $(B)/.flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(COMPILE) -Itests/fuzz -MMD -MP -c -o $@ $<

$(fuzz_dir)/lower.a: $(call objects_of,$(below_5) persist)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(fuzz_targets:%=$(fuzz_dir)/%): $(fuzz_dir)/%: $(fuzz_dir)/target_%.o $(fuzz_helpers) \
    $(fuzz_dir)/$(fuzz_main).o $(fuzz_dir)/lower.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(if $(FUZZ),-fsanitize=fuzzer) -o $@ $^ $(LDLIBS)

.PHONY: fuzz fuzz-programs fuzz-replay
fuzz-programs: $(fuzz_targets:%=$(fuzz_dir)/%)
fuzz:
	$(Q)$(MAKE) FUZZ=yes CC="$(CLANG)" SANITIZE= WERROR= fuzz-programs
fuzz-replay: fuzz-programs
	$(Q)tests/fuzz/run --replay --variant $(variant)

-include $(objects:.o=.d) $(unit_tests:%=%.d) $(B)/tests/unit/unit.d $(fuzz_objects:.o=.d)

# ---- the rest ------------------------------------------------------------------------------
# Recipes that come after `deps` call make again: pkg-config must be asked anew once the
# packages are there.

deps:
	$(Q)deps/install

demo: deps
	$(Q)$(MAKE) all
	$(Q)utils/demo/run

test: deps
	$(Q)deps/install clients
	$(Q)tests/all

soak: deps
	$(Q)deps/install clients
	$(Q)tests/all --soak

bench: deps
	$(Q)$(MAKE) all
	$(Q)tests/bench/run $(BENCH)

lint: $(gen_stamp)
	$(Q)$(PYTHON3) utils/lint

# The reference configuration is printed by the server's own option table.
redis.conf: $(B)/redis-server
	$(Q)$(B)/redis-server --print-default-config > $@.new
	$(Q)mv $@.new $@

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/cogwheel
	install -m 755 $(B)/redis-server $(DESTDIR)$(PREFIX)/bin/redis-server
	ln -sfn redis-server $(DESTDIR)$(PREFIX)/bin/redis-check-rdb
	install -m 644 README.md COPYING $(wildcard redis.conf) $(DESTDIR)$(PREFIX)/share/doc/cogwheel/

clean:
	rm -rf build
