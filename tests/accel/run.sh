#!/bin/sh
# run.sh [CASE]... - the correctness program, plain and accelerated, compared; the long form (`./test accel`).
#	ROUNDS=3 tests/accel/run.sh		(SEED=N, the time if not set)
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-1} SEED=${SEED:-$(date +%s)}
echo "# seed $SEED"
round=0
while [ $round -lt "$ROUNDS" ]; do
	torture_compared $((SEED + round)) "$@"
	round=$((round + 1))
done
