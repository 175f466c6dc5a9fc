//! Packets: capture files, and views of what is in a packet.
