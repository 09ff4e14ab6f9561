#!/bin/sh
# bio: several writers, two of them of one file, one past the page cache, and a sync by somebody else: bytes by owner against
# what each wrote. Who remembers inodes is right for 88 % of them at least, who remembers folios for 94 %.
. "$(dirname "$0")/../items/items.sh"
modprobe loop 2>/dev/null
size=${BIO_MIB:-8} # of a unit: the files are four, two and two, and the direct one is one
truncate -s $((size * 24 + 64))M "$WORK/image"
mkfs.ext4 -q "$WORK/image" || { echo "not ok bio: no file system"; exit 1; }
mkdir "$WORK/disk"
mount -o loop "$WORK/image" "$WORK/disk" || { echo "not ok bio: no loop device"; exit 1; }
at_end "umount $WORK/disk"
device=$(basename "$(findmnt -n -o SOURCE "$WORK/disk")")

# write NAME FILE MIB [dd's words]: a process of that name writes.
write() { name=$1 file=$2 mib=$3; shift 3; "$WORK/$name" if=/dev/zero of="$WORK/disk/$file" bs=1M count="$mib" "$@" 2>>"$WORK/dd.log"; }
# bytes NAME: laid at its door, of this device
bytes() { metric sonde_bio_bytes_total op=write process="$1" device="$device"; }
mixed() { # PREFIX
	for name in a b c d e; do cp "$(command -v dd)" "$WORK/$1$name"; done
	write "$1a" "$1.a" $((size * 4))
	write "$1b" "$1.b" $((size * 2))
	i=0
	while [ $i -lt $((size * 2)) ]; do
		write "$1c" "$1.shared" 1 conv=notrunc seek=$i
		write "$1d" "$1.shared" 1 conv=notrunc seek=$((i + 1))
		i=$((i + 2))
	done
	write "$1e" "$1.e" "$size" oflag=direct
	sync -f "$WORK/disk"
}
# Of what was written, the percentage that is at the right door.
share() {
	for part in "$1a 4" "$1b 2" "$1c 1" "$1d 1" "$1e 1"; do
		set -- $part
		echo "$(bytes "$1") $(($2 * size * 1048576))"
	done | awk '{ right += $1 < $2 ? $1 : $2; all += $2; seen += $1 } END { printf "%.1f\n", all ? right * 100 / all : 0 }'
}
# reached PREFIX PERCENT: within ten seconds
reached() { is_reached() { awk -v a="$(share "$1")" -v b="$2" 'BEGIN { exit !(a >= b) }'; }; wait_for 10 is_reached "$@"; }

start_agent --set items.bio.on=true
mixed bioi
check "inodes: 88 % at least at the right door" reached bioi 88
echo "# $(share bioi) % by inode"
check "direct writes are told so" test "$(metric sonde_bio_bytes_total op=write process=bioie attribution=direct device="$device")" = $((size * 1048576))
check "delayed ones are their writer's" test "$(metric sonde_bio_bytes_total op=write process=bioia attribution=dirtier device="$device")" -ge $((size * 4 * 1048576))
check "with folios" "$SONDE" items on bio folios=true
mixed biof
check "folios: 94 % at least at the right door" reached biof 94
echo "# $(share biof) % by folio"
# reads are of who reads
echo 3 >/proc/sys/vm/drop_caches
cp "$(command -v cat)" "$WORK/bioreader"
"$WORK/bioreader" "$WORK/disk/bioi.a" >/dev/null
metric_near "reads" $((size * 4 * 1048576)) 2 65536 sonde_bio_bytes_total op=read process=bioreader device="$device" attribution=direct
before=$(bytes bioia)
check "off" "$SONDE" items off bio
write bioia again $size; sync -f "$WORK/disk"
check "on" "$SONDE" items on bio
equal "nothing is counted while it is off" "$before" "$(bytes bioia)"
nothing_lost bio
