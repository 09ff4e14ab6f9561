#!/bin/sh
# build.sh [FOLDER] - makes the Debian package of this checkout in FOLDER (default: the checkout).
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$top}
"$top/run" build
ninja -C "$top/build" sonde.8 sonde.bash >&2
version=$("$top/build/sonde" version | cut -d' ' -f2)
arch=$(dpkg --print-architecture)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
DESTDIR=$tree meson install -C "$top/build" --no-rebuild >/dev/null
mkdir -p "$tree/DEBIAN" "$tree/usr/share/doc/sonde"
cp "$top/README.md" "$top/CHANGELOG.md" "$top/LICENSE" "$tree/usr/share/doc/sonde/"
find "$tree/usr/share/man" -name '*.8' -exec gzip -9n {} \;
size=$(du -ks "$tree" | cut -f1)
cat > "$tree/DEBIAN/control" <<EOF
Package: sonde
Version: $version
Architecture: $arch
Maintainer: The sonde developers <sonde@localhost>
Installed-Size: $size
Section: admin
Priority: optional
Suggests: prometheus
Description: what this machine, its containers and its services do
 An observability agent that watches through eBPF, with no change to any
 program: metrics for Prometheus and records as JSON by process, container
 and pod. One static binary; it needs nothing else installed.
EOF
echo /etc/sonde/sonde.yaml > "$tree/DEBIAN/conffiles"
cat > "$tree/DEBIAN/postinst" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
	if ! grep -q '^sonde:' /etc/passwd; then
		if command -v useradd >/dev/null; then
			useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sonde
		fi
	fi
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		systemctl enable --now sonde.service || true
	fi
fi
EOF
cat > "$tree/DEBIAN/prerm" <<'EOF'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl stop sonde.service || true
	[ "$1" = remove ] && systemctl disable sonde.service || true
fi
EOF
cat > "$tree/DEBIAN/postrm" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = purge ]; then
	rm -rf /var/lib/sonde
	rm -f /etc/sonde/token # made at the first start
	rmdir /etc/sonde/items.d /etc/sonde 2>/dev/null || true
	if grep -q '^sonde:' /etc/passwd && command -v userdel >/dev/null; then
		userdel --force sonde || true
	fi
fi
EOF
chmod 755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm" "$tree/DEBIAN/postrm"
dpkg-deb --root-owner-group --build "$tree" "$out/sonde_${version}_$arch.deb"
