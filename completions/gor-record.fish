complete -c gor-record -s r -l read -d 'Capture to read: a file, a quoted glob, or `-`. May be repeated; several are one capture continued' -r
complete -c gor-record -l dummy -d 'Capture nothing: write the request `GET /`, and with --responses its answer, so often; once a second without N' -r
complete -c gor-record -l ignore-interface -d 'Do not look at packets of these interfaces. May be repeated' -r
complete -c gor-record -l buffer-size -d 'Size of the kernel\'s packet buffer, from 2mb to 2gb' -r
complete -c gor-record -l threads -d 'Capture with N threads, each of which gets whole connections (except IPv6 fragments), and a buffer of its own' -r
complete -c gor-record -l buffer-timeout -d 'Take packets out of the buffer at least this often, from 1ms to 10s' -r
complete -c gor-record -l exit-after -d 'Stop after TIME, as at SIGINT' -r
complete -c gor-record -l output-queue -d 'Let up to SIZE of records wait for a slow output; when more would, whole exchanges are dropped and counted' -r
complete -c gor-record -l engine -d 'Capture with this engine; the default is `af_packet`, or `pcap_file` with -r' -r -f -a "af_packet\t'Packet sockets of Linux, without any library'
libpcap\t'The library libpcap, which must be installed'
raw_socket\t'The same as `af_packet`; GoReplay\'s name'
pcap_file\t'Capture files: the same as -r alone'
vxlan\t'A UDP socket that receives VXLAN, in which routers and clouds send mirrored traffic. It needs no rights'"
complete -c gor-record -l bpf -d 'Record only packets that match this expression of tcpdump\'s language, as in \'net 10.0.0.0/8\'' -r
complete -c gor-record -l timestamp-source -d 'Take times from this clock; which ones there are depends on the interface. Needs --engine libpcap' -r -f -a "host\t'The system\'s clock'
host_lowprec\t'The system\'s clock, read faster and less precisely'
host_hiprec\t'The system\'s clock, read precisely'
adapter\t'The network card\'s clock, kept in step with the system\'s'
adapter_unsynced\t'The network card\'s clock as it is'"
complete -c gor-record -l not-client -d 'Leave out connections of clients at these addresses: `10.0.0.5`, `10.0.0.0/8`, `fd00::/8`. May be repeated' -r
complete -c gor-record -l vlan -d 'Record only what has a tag of one of these VLANs (1 to 4094), at whichever depth. May be repeated' -r
complete -c gor-record -l vxlan-port -d 'Look for VXLAN at these UDP ports too, besides 4789 and 8472; with --engine vxlan, listen at these instead of at 4789. May be repeated' -r
complete -c gor-record -l vxlan-vni -d 'Record only what is in a VXLAN (or Geneve) network of one of these numbers; with a minus, what is not in that one. May be repeated' -r
complete -c gor-record -l user -d 'Give up root for this user once everything is open: `NAME`, `NAME:GROUP`, or numbers. `root` keeps it' -r
complete -c gor-record -l protocol -d 'What the connections speak. `binary`: a message is what one side says until the other answers, or until it is quiet for the time of --expire (2s without it)' -r -f -a "http\t'HTTP/1.0 and HTTP/1.1'
binary\t'Any bytes'"
complete -c gor-record -l real-ip-header -d 'Put the client\'s address into this field of recorded requests, in place of any that the client sent under that name' -r
complete -c gor-record -l expire -d 'Give up an unfinished message, or a missing packet, after TIME of the capture\'s time without progress' -r
complete -c gor-record -l max-message -d 'Keep so much of a message; what is longer is cut and marked as `cut`' -r
complete -c gor-record -s o -l output -d 'Write records to this file; `-` is standard output, `null:` discards. May be repeated' -r
complete -c gor-record -l chunk-size -d 'Begin the next chunk before a file has more than so many bytes of records, counted before compression' -r
complete -c gor-record -l chunk-records -d 'Begin the next chunk when a file has so many records' -r
complete -c gor-record -l max-size -d 'Write so many bytes of records in all, counted before compression, then stop with status 1' -r
complete -c gor-record -l flush-interval -d 'Write at least so often what has come: a kill loses no more. Pipes get everything at once' -r
complete -c gor-record -l compress-level -d 'Compress so much: 1 to 9 for gzip (6 unless given), 1 to 22 for zstd (3)' -r
complete -c gor-record -l compress-threads -d 'Compress on so many threads; up to four of the cores unless given' -r
complete -c gor-record -l instance -d 'What %i in a name stands for; host name and process id unless given' -r
complete -c gor-record -s w -l write -d 'Keep the packets too, in a capture: FILE.pcap or FILE.pcapng, maybe with .gz or .zst. `gor-record -r FILE` gives the same records' -r
complete -c gor-record -l metrics -d 'Serve counters at the path /metrics of ADDRESS, over HTTP and in the text format of Prometheus' -r
complete -c gor-record -l stats-json -d 'Write the same as JSON to this file' -r -F
complete -c gor-record -l any-host -d 'Record servers at all addresses, not only at those of this machine, as on bridges and mirrored ports'
complete -c gor-record -l promisc -d 'Have the interfaces that are named, or else all that are up, take in packets for other machines too (promiscuous mode), and record servers at all addresses, as --any-host does'
complete -c gor-record -l monitor -d 'Put wireless interfaces into monitor mode, to see all frames of their channel. Needs --engine libpcap'
complete -c gor-record -l responses -d 'Record responses too, with the id of their request'
complete -c gor-record -l allow-incomplete -d 'Write what there is of messages that are not whole, marked as `gap`'
complete -c gor-record -l force -d 'Overwrite existing files'
complete -c gor-record -l append -d 'Add to existing files; to compressed ones a new gzip member or zstd frame'
complete -c gor-record -l index -d 'Write beside each file an index, FILE.idx: which times and kinds stand where'
complete -c gor-record -l split -d 'Share between the outputs, exchange by exchange in turn, instead of writing all to each'
complete -c gor-record -l sessions -d 'With --split, all exchanges of a TCP session go to one output'
complete -c gor-record -l stats -d 'Print what became of every packet, byte and message at the end. So does -v. Live, also print a line every 5s'
complete -c gor-record -s v -l verbose -d 'Say more; twice for everything'
complete -c gor-record -s q -l quiet -d 'Say only what went wrong'
complete -c gor-record -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-record -s V -l version -d 'Print version'
