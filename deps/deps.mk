# SPDX-License-Identifier: BSD-3-Clause
#
# Where each library is found. Lazy on purpose: pkg-config runs only when something is
# compiled or linked, after deps/check has said what is missing.

PKG_CONFIG ?= pkg-config

DEP_JEMALLOC_LIBS  = -ljemalloc
DEP_CRYPTO_LIBS    = -lssl -lcrypto
DEP_LZF_LIBS       = -llzf
DEP_PYTHON_CFLAGS  = $(shell $(PKG_CONFIG) --cflags python3-embed 2>/dev/null)
DEP_PYTHON_LIBS    = $(shell $(PKG_CONFIG) --libs python3-embed 2>/dev/null)
