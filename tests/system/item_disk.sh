#!/bin/sh
# disk on a loop device of its own: against the program that wrote and read, /proc/diskstats, and df.
. "$(dirname "$0")/../items/items.sh"
modprobe loop 2>/dev/null
truncate -s 64M "$WORK/image"
device=$(losetup -f --show "$WORK/image") || { echo "not ok disk: no loop device"; exit 1; }
at_end "losetup -d $device; umount $WORK/small"
disk=$(basename "$device")
stat_of() { awk -v name="$disk" -v field="$1" '$3 == name { print $(field + 3) }' /proc/diskstats; }
start_agent
reads=$(stat_of 1) writes=$(stat_of 5) read_ms=$(stat_of 4) flushes=$(stat_of 16)
worker diskuser
"$WORK/diskuser" direct "$device" 400 16384 | cat >"$WORK/truth" # (a page of that file would be a write of its own)
dd if=/dev/zero of="$device" bs=4096 count=10 oflag=dsync conv=notrunc 2>/dev/null
reads=$(($(stat_of 1) - reads)) writes=$(($(stat_of 5) - writes)) read_ms=$(($(stat_of 4) - read_ms)) flushes=$(($(stat_of 16) - flushes))
metric_near "disk: reads served against /proc/diskstats" "$reads" 0 0 sonde_disk_service_seconds_count device="$disk" op=read
metric_near "disk: writes served (a pure flush is a write there)" "$((writes - flushes))" 0 0 sonde_disk_service_seconds_count device="$disk" op=write
metric_near "disk: reads queued" "$reads" 0 0 sonde_disk_queue_seconds_count device="$disk" op=read
await=$(calc "$(metric sonde_disk_service_seconds_sum device="$disk" op=read) + $(metric sonde_disk_queue_seconds_sum device="$disk" op=read)")
near "disk: time in queue and service against /proc/diskstats" "$(calc "$read_ms / 1e3")" "$await" 10 "$(calc "$reads * 0.0005 + 0.005")"
metric_near "disk: bytes read by the process" "$(truth read)" 0 131072 sonde_disk_process_bytes_total process=diskuser op=read
metric_near "disk: bytes written by the process" "$(truth written)" 0 0 sonde_disk_process_bytes_total process=diskuser op=write
metric_near "disk: bytes written to the device" "$(calc "$(stat_of 7) * 512")" 0 0 sonde_disk_bytes_total device="$disk" op=write
metric_near "disk: nothing in flight" 0 0 0 sonde_disk_in_flight device="$disk"

# writes that fail: the device lies in a file system that is too small for it
losetup -d "$device"
mkdir "$WORK/small" && mount -t tmpfs -o size=1M none "$WORK/small" && truncate -s 64M "$WORK/small/image" && losetup "$device" "$WORK/small/image"
dd if=/dev/zero of="$device" bs=2M seek=2 count=1 oflag=direct conv=notrunc 2>/dev/null
failed() { awk -v n="$(metric sonde_disk_errors_total device="$disk" op=write)" 'BEGIN { exit !(n >= 1) }'; }
check "disk: failed writes are errors" wait_for 5 failed

metric_near "disk: size of the root file system against df" "$(df -B1 --output=size / | tail -n 1)" 0 0 sonde_disk_filesystem_size_bytes mount=/
metric_near "disk: free inodes against df" "$(df --output=iavail / | tail -n 1)" 1 1000 sonde_disk_filesystem_inodes_free mount=/
equal "disk: the device is a row" "[$(stat_of 7)]" "$(get '/v1/records/disk?limit=10000' | jq -c "[.records[] | select(.kind == \"device\" and .device == \"$disk\") | .write_bytes / 512]")"
nothing_lost disk
