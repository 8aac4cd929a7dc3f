#!/bin/sh
# Makes a plain Debian the root of a sandbox. mmdebstrap runs it, on the host, with the root's directory as its argument,
# while apt still works. ATOLL_NODE and ATOLL_NPM are the Node and the npm to put in; ATOLL_KERNEL_PACKAGE and ATOLL_KERNEL_TREE say which kernel goes where.
set -eu
root=$1

# The kernel of the same suite and the same moment, by the root's own apt configuration, and outside of the root.
kernel=$(APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-cache depends "$ATOLL_KERNEL_PACKAGE" |
  sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p')
[ -n "$kernel" ] || { echo "$ATOLL_KERNEL_PACKAGE depends on no kernel" >&2; exit 1; }
(cd "$ATOLL_KERNEL_TREE" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -q -o APT::Sandbox::User=root download "$kernel")
dpkg-deb --extract "$ATOLL_KERNEL_TREE"/linux-image-*.deb "$ATOLL_KERNEL_TREE"
rm "$ATOLL_KERNEL_TREE"/linux-image-*.deb

chroot "$root" useradd --uid 1000 --create-home --shell /bin/bash sandbox
# What root runs goes out the same way as everything else, and trusts the same authorities.
cat >"$root/etc/sudoers.d/sandbox" <<'SUDOERS'
sandbox ALL=(ALL) NOPASSWD:ALL
Defaults env_keep += "http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY"
Defaults env_keep += "SSL_CERT_FILE CURL_CA_BUNDLE GIT_SSL_CAINFO REQUESTS_CA_BUNDLE PIP_CERT NODE_EXTRA_CA_CERTS"
SUDOERS
chmod 0440 "$root/etc/sudoers.d/sandbox"
install -d -o 1000 -g 1000 "$root/workspace"

install -m 0755 "$ATOLL_NODE" "$root/usr/local/bin/node"
install -d "$root/usr/local/lib/node_modules"
cp -r "$ATOLL_NPM" "$root/usr/local/lib/node_modules/npm"
chown -R root:root "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
# What Debian's packages brought is importable from it too.
chroot "$root" python3 -m venv --system-site-packages /opt/venv
chroot "$root" chown -R sandbox:sandbox /opt/venv

printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
sed -i 's/^hosts:.*/hosts: files myhostname dns/' "$root/etc/nsswitch.conf"
printf 'LANG=C.UTF-8\n' >"$root/etc/default/locale"
# One archive instead of a dozen files that every process opens: under emulation that is 2 ms of each command.
chroot "$root" localedef --add-to-archive /usr/lib/locale/C.utf8
# Nearly every command is a line for bash. The static one needs no linking at each start, which is 4 ms under emulation.
chroot "$root" dpkg-divert --local --rename --divert /bin/bash.dynamic --add /bin/bash
ln -s bash-static "$root/bin/bash"

# Machines are clones: what must differ between them cannot be in the image.
rm -f "$root/etc/machine-id" "$root/var/lib/dbus/machine-id" "$root/etc/hostname" "$root/etc/resolv.conf"
printf 'sandbox\n' >"$root/etc/hostname"
: >"$root/etc/machine-id"
printf '# A sandbox has no network of its own.\nnameserver 127.0.0.1\n' >"$root/etc/resolv.conf"

find "$root/var/log" "$root/var/cache/debconf" -type f -delete
