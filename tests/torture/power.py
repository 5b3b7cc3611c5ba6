"""A file system on a loop image whose power is cut: nothing that was not synced survives."""
import errno
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

EXT4_IOC_SHUTDOWN = 0x8004587D      # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2                    # as a power cut: the journal is not written out either


class Disk:
    """`place` is where it is mounted."""

    def __init__(self, megabytes=96):
        self.folder = Path(tempfile.mkdtemp(prefix="torture-disk"))
        self.image, self.place = self.folder / "image", self.folder / "mounted"
        self.place.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(megabytes << 20)
        _run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    def mount(self):
        _run("mount", "-o", "loop", self.image, self.place)

    def cut(self):
        handle = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def restore(self):
        _run("umount", self.place)
        self.mount()

    def finish(self):
        subprocess.run(["umount", self.place], check=False, capture_output=True)
        shutil.rmtree(self.folder)


def why_impossible():
    """Why no power can be cut here; None where it can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    if not shutil.which("mkfs.ext4"):
        return "mkfs.ext4 is not installed"
    disk = None
    try:
        disk = Disk(16)
        disk.cut()
        (disk.place / "probe").write_text("x")
        return "the ioctl EXT4_IOC_SHUTDOWN cuts nothing"
    except subprocess.CalledProcessError as fault:
        return f"no loop mount: {fault.stderr.decode().strip()}"
    except OSError as fault:
        return None if fault.errno == errno.EIO else f"no shutdown ioctl: {fault}"
    finally:
        if disk:
            disk.finish()


def _run(*command):
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
