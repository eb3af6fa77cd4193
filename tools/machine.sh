#!/bin/sh
# What the tests and the lab's build need of the machine before Python can be asked. Installs what is
# missing as root on Debian; elsewhere it says what that is. The lab installs its own packages later.
set -eu

missing=""
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
need sshd openssh-server
need ssh-keygen openssh-client
need socat socat
need curl curl
need zstd zstd
need haproxy haproxy
need mariadbd mariadb-server-core
need mariadb mariadb-client-core
need mariadb-dump mariadb-client
need rabbitmqctl rabbitmq-server
[ -e /usr/lib/galera/libgalera_smm.so ] || missing="$missing galera-4"
need ceph-mon ceph-mon
need ceph-mgr ceph-mgr
need ceph-osd ceph-osd
need ceph ceph-common
need tgtd tgt
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
/usr/bin/python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"

[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "this machine lacks:$missing; install them, or run this as root on Debian" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# The tests start servers of their own; Debian's packages would start others for good.
case "$missing" in
*rabbitmq*)
  mkdir -p /etc/systemd/system
  for unit in rabbitmq-server.service epmd.service epmd.socket; do
    [ -e "/etc/systemd/system/$unit" ] || ln -s /dev/null "/etc/systemd/system/$unit"
  done
  ;;
esac
case "$missing" in
*tgt*)
  mkdir -p /etc/systemd/system
  [ -e /etc/systemd/system/tgt.service ] || ln -s /dev/null /etc/systemd/system/tgt.service
  ;;
esac
case "$missing" in
*postgresql*)
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  ;;
esac
# shellcheck disable=SC2086 # a list of package names
apt-get install -qq -y --no-install-recommends $missing
