#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a peer test with the peers' interpreter; exits with 77, "skipped", where scripts/peers has not made one.
set -euo pipefail
if ! python=$("$SUANLI_SOURCE/scripts/peers" --path); then
  echo "skipped: no peers on this machine; scripts/peers installs them"
  exit 77
fi
exec "$python" "$@"
