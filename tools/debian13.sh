#!/bin/sh
# debian13.sh ROOT DIRECTORY PACKAGE-DIRECTORIES COMMAND…: make ROOT this mount namespace's root, run COMMAND there.
# Called by debian13.py as the first process of a new process namespace.
set -eu
root=$1 directory=$2 packages=$3
shift 3

mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
# the network is this machine's own, so its one laboratory (lab.py) is too
: >>/run/terok-lab.lock
: >run/terok-lab.lock
mount --bind /run/terok-lab.lock run/terok-lab.lock

old_ifs=$IFS
IFS=:
for path in $packages; do
    mkdir -p ".$path"
    mount --bind -o ro "$path" ".$path"
done
IFS=$old_ifs

mkdir -p run/old
pivot_root . run/old
cd /
mount --make-rshared /
umount -l /run/old
rmdir /run/old
cd "$directory"
# an init that reaps orphans, as every host has one
exec catatonit -- "$@"
