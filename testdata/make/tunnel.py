"""One end of a tunnel in user space, for kinds the kernel at hand may lack.

    tunnel.py KIND LINK OWN PEER INNER

What the TUN (or TAP, for Ethernet inside) device `tun0` with address INNER
(10.8.0.x/24) is given goes over LINK inside packets of KIND from OWN to PEER,
and back. KIND: gre, ipip, gtpu, geneve, erspan, vlan, qinq, or fragments
(ipip whose full-size packets do not fit the link's MTU).
"""
import fcntl
import select
import socket
import struct
import subprocess
import sys

KIND, LINK, OWN, PEER, INNER = sys.argv[1:]
ETHERNET = KIND in ("vlan", "qinq", "geneve", "erspan")
number = 0


def wrap(packet):
    """(what goes into the outer socket)"""
    global number
    number += 1
    if KIND == "gre":
        return struct.pack(">HH", 0, 0x0800) + packet
    if KIND == "erspan":  # type II: a sequence number, then version 1, session 7
        return struct.pack(">HHI", 0x1000, 0x88BE, number) + struct.pack(">HHI", 0x1000, 7, 0) + packet
    if KIND == "gtpu":
        return struct.pack(">BBHI", 0x30, 0xFF, len(packet), 99) + packet
    if KIND == "geneve":
        return struct.pack(">BBHI", 0, 0, 0x6558, 5 << 8) + packet
    if KIND == "vlan":
        return packet[:12] + struct.pack(">HH", 0x8100, 0x2005) + packet[12:]
    if KIND == "qinq":
        return packet[:12] + struct.pack(">HHHH", 0x88A8, 100, 0x8100, 7) + packet[12:]
    return packet


def unwrap(packet):
    if KIND in ("vlan", "qinq"):
        tags = 4 if KIND == "vlan" else 8
        tagged = packet[12:14] in (b"\x81\0", b"\x88\xa8")
        return packet[:12] + packet[12 + tags:] if tagged else None
    return packet[{"gre": 4, "erspan": 16, "gtpu": 8, "geneve": 8, "ipip": 0, "fragments": 0}[KIND]:]


def outer():
    if KIND in ("vlan", "qinq"):
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        link.bind((LINK, 0))
        # The kernel takes the outer tag out of what it hands over; it comes beside it.
        link.setsockopt(263, 8, 1)

        def receive():
            packet, extra, _, address = link.recvmsg(65536, 256)
            if address[2] == 4:  # what we sent ourselves
                return b"\0" * 16
            for level, kind, data in extra:
                if level == 263 and kind == 8:
                    status, _, _, _, _, tci, protocol = struct.unpack("IIIHHHH", data)
                    if status & 16:
                        packet = packet[:12] + struct.pack(">HH", protocol or 0x8100, tci) + packet[12:]
            return packet
        return link, receive, link.send
    if KIND in ("gtpu", "geneve"):
        port = {"gtpu": 2152, "geneve": 6081}[KIND]
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.bind((OWN, port))
        return link, lambda: link.recv(65536), lambda packet: link.sendto(packet, (PEER, port))
    link = socket.socket(socket.AF_INET, socket.SOCK_RAW, {"gre": 47, "erspan": 47, "ipip": 4, "fragments": 4}[KIND])
    link.bind((OWN, 0))
    link.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: never; the kernel fragments

    def receive():
        packet = link.recv(65536)
        return packet[(packet[0] & 15) * 4:]
    return link, receive, lambda packet: link.sendto(packet, (PEER, 0))


tun = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1000 | (2 if ETHERNET else 1)))
for words in (f"addr add {INNER}/24 dev tun0", f"link set tun0 mtu {1500 if KIND == 'fragments' else 1400} up"):
    subprocess.run(["ip", *words.split()], check=True)
link, receive, send = outer()
print("ready", flush=True)
while True:
    for one in select.select([tun, link], [], [])[0]:
        try:
            if one is tun:
                packet = tun.read(65536)
                if ETHERNET or packet[0] >> 4 == 4:
                    send(wrap(packet))
            else:
                packet = unwrap(receive())
                if packet:
                    tun.write(packet)
        except OSError as error:
            print(error, flush=True)
