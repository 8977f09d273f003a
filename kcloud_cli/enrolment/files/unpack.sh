#!/bin/sh
# Usage: unpack.sh DIGEST PYTHON < archive. Puts a release in place and switches to it; safe to repeat.
set -eu
release=/opt/kcloud/releases/$1
if [ ! -d "$release" ]; then
    rm -rf "$release.partial"
    mkdir -p "$release.partial"
    tar -xz -C "$release.partial"
    "$2" -m compileall -q "$release.partial" >/dev/null
    mv "$release.partial" "$release"
fi
mkdir -p /opt/kcloud/bin /etc/kcloud /usr/local/bin
chmod 700 /etc/kcloud
for program in kcloud:kcloud_cli.main kcloud-compute:kcloud_compute.main; do
    file=/opt/kcloud/bin/${program%%:*}
    printf '#!/bin/sh\nPYTHONPATH=/opt/kcloud/current exec %s -c "from %s import main; raise SystemExit(main())" "$@"\n' \
        "$2" "${program##*:}" > "$file.new"
    chmod 755 "$file.new"
    mv "$file.new" "$file"
done
ln -sfn /opt/kcloud/bin/kcloud /usr/local/bin/kcloud
ln -sfn "$release" /opt/kcloud/current.new
mv -T /opt/kcloud/current.new /opt/kcloud/current
