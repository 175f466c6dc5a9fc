#!/usr/bin/env bash
# gor-merge beside cat and GNU sort, in one run.
#
#   the recording of benches/filter.sh dealt to eight files, merged, beside cat
#   the same files twice over in the wrong order, 1.7 GB, sorted, beside GNU
#   sort of as many lines of the same bytes; both with 64 MB of memory
#
# Needs python3, GNU sort and /usr/bin/time. Data is made once, in bench-data/.
#
#   benches/merge.sh [EXCHANGES]
set -euo pipefail
cd "$(dirname "$0")/.."

exchanges=${1:-1800000}
recording=bench-data/recording-$exchanges.gor
parts=bench-data/merge-$exchanges
cargo build --release --quiet --bin gor-merge --example make_recording
tools=${CARGO_TARGET_DIR:-target}/release
mkdir -p "$parts"
[ -f "$recording" ] || "$tools"/examples/make_recording "$exchanges" > "$recording"

[ -f "$parts/lines" ] || python3 - "$recording" "$parts" <<'PYTHON'
import sys
recording, parts = sys.argv[1:]
end = "\n🐵🙈🙉\n".encode()
records = open(recording, "rb").read().split(end)[:-1]
for part in range(8):
    with open(f"{parts}/{part}.gor", "wb") as file:
        file.write(end.join(records[part::8]) + end)
with open(f"{parts}/lines", "wb") as file:
    for part in list(range(8)) * 2:
        for record in records[part::8]:
            # The time first, as what is sorted by; no line feed within.
            file.write(record.split(b" ", 3)[2] + b" " + (record + end[:-1]).replace(b"\n", b"\1") + b"\n")
PYTHON

median() { # COMMAND: seconds and kilobytes, the median of five runs
    for _ in 1 2 3 4 5; do
        /usr/bin/time -f "%e s, %M kB resident" sh -c "exec $1 > /dev/null" 2>&1 | tail -1
    done | sort -n | sed -n 3p
}

merge=$tools/gor-merge
files="$parts/[0-7].gor"
cat $files "$parts/lines" > /dev/null
du -ch $files | tail -1
echo "cat of eight files:             $(median "cat $files")"
echo "gor-merge of eight files:       $(median "$merge -q $files")"
echo "gor-merge --sort of them twice: $(median "$merge -q --sort $files $files")"
echo "sort of as many lines:          $(LC_ALL=C median "sort -S 64M --parallel=2 -k1,1n -s $parts/lines")"
