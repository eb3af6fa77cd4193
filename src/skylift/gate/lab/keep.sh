# Keep a command of the lab running: sh -eu keep.sh GROUP SUBGROUP AGAIN LOG COMMAND...
# GROUP is the cgroup as this machine sees it, SUBGROUP the same below the root of the cgroup v2 tree,
# AGAIN the exit code after which the command is started once more, or "any".

echo $$ > "$1/watch/cgroup.procs"
echo joined
# Whoever started us lets us run only when he knows that we joined: so nothing runs outside the cgroup.
read -r go || exit 0
exec < /dev/null > "$4" 2>&1

# We are in a mount namespace of our own. Hosts want a pure v2 tree, whatever layout the machine has;
# what systemd-nspawn leaves in its run-time folder when it is killed goes with the namespace.
umount -l /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /run/systemd/nspawn
mount -t tmpfs none /run/systemd/nspawn

group=/sys/fs/cgroup/$2 again=$3
shift 4
while :; do
  code=0
  sh -c 'echo $$ > "$0/run/cgroup.procs" && exec "$@"' "$group" "$@" || code=$?
  case $again in
    any) sleep 1 ;;
    "$code") ;;
    *) exit "$code" ;;
  esac
done
