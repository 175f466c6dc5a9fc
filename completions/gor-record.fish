complete -c gor-record -s r -l read -d 'Read packets from FILE, a quoted glob or "-" (repeatable)' -r -F
complete -c gor-record -l ignore-interface -d 'Ignore packets of this interface (repeatable)' -r
complete -c gor-record -l bpf -d 'Record only packets that match a tcpdump expression, as \'net 10.0.0.0/8\'' -r
complete -c gor-record -l engine -d 'Capture engine [default: af_packet, with -r pcap_file]' -r -f -a "af_packet\t'Packet sockets of Linux; needs no library'
libpcap\t'The library libpcap, which must be installed'
raw_socket\t'Same as af_packet, for users of GoReplay'
pcap_file\t'Capture files; implied by -r'
vxlan\t'UDP socket that receives traffic mirrored in VXLAN by routers and clouds; needs no privileges'"
complete -c gor-record -l buffer-size -d 'Size of the kernel\'s packet buffer, from 2MB to 2GB' -r
complete -c gor-record -l buffer-timeout -d 'Empty the kernel\'s packet buffer at least this often, from 1ms to 10s' -r
complete -c gor-record -l threads -d 'Capture with N threads, each with a packet buffer of its own' -r
complete -c gor-record -l timestamp-source -d 'Clock for the times of packets, as far as the interface has it (needs --engine libpcap)' -r -f -a "host\t'System clock'
host_lowprec\t'System clock, faster and less precise'
host_hiprec\t'System clock, precise'
adapter\t'Clock of the network card, synchronised with the system clock'
adapter_unsynced\t'Clock of the network card, not synchronised'"
complete -c gor-record -l dummy -d 'Capture nothing; write made-up GET requests at this rate, as 100/s [default without RATE: 1/s]' -r
complete -c gor-record -l not-client -d 'Skip clients in this network: 10.0.0.5, fd00::/8 (repeatable)' -r
complete -c gor-record -l real-ip-header -d 'Add a header with the client\'s address to each request' -r
complete -c gor-record -l vlan -d 'Record only packets with the tag of this VLAN, 1 to 4094, at any depth (repeatable)' -r
complete -c gor-record -l vxlan-port -d 'Look for VXLAN at this UDP port too, besides 4789 and 8472 (repeatable)' -r
complete -c gor-record -l vxlan-vni -d 'Record only this VXLAN or Geneve network; with a minus sign, all except it (repeatable)' -r
complete -c gor-record -l protocol -d 'Protocol of the connections' -r -f -a "http\t'HTTP/1.0 and HTTP/1.1'
binary\t'Any bytes'"
complete -c gor-record -l exit-after -d 'Stop after DURATION, as at SIGINT' -r
complete -c gor-record -l max-message -d 'Cut messages that are longer than SIZE, and mark them as cut' -r
complete -c gor-record -l expire -d 'Give up on an incomplete message or a missing packet after DURATION without progress [default, live: 2s]' -r
complete -c gor-record -l output-queue -d 'Queue up to SIZE of records for a slow output' -r
complete -c gor-record -s o -l output -d 'Write records to FILE (repeatable)' -r -F
complete -c gor-record -l format -d 'Write files and standard output in this format [default: by the end of the name, otherwise gor]' -r -f -a "gor\t''
jsonl\t''
har\t''
curl\t''
http\t''
csv\t''
postman\t''
parquet\t''
pcap\t''
pcapng\t''"
complete -c gor-record -l chunk-size -d 'Start a new file before SIZE bytes of records are exceeded' -r
complete -c gor-record -l chunk-records -d 'Start a new file after N records' -r
complete -c gor-record -l max-size -d 'Stop after SIZE bytes of records, counted before compression, and exit with status 1' -r
complete -c gor-record -l instance -d 'Name that %i in a file name is replaced by [default: host name and process ID]' -r
complete -c gor-record -l flush-interval -d 'Flush at least this often; a kill loses at most this much' -r
complete -c gor-record -l compress-level -d 'Compression level: 1 to 9 for gzip, 1 to 22 for zstd [default: gzip 6, zstd 3]' -r
complete -c gor-record -l compress-threads -d 'Compress with N threads [default: one per core, at most 4]' -r
complete -c gor-record -l ca-cert -d 'Trust the certificates in FILE (PEM, repeatable) instead of the system\'s' -r -F
complete -c gor-record -l client-cert -d 'Present the certificate in FILE (PEM) to servers that ask for one' -r -F
complete -c gor-record -l client-key -d 'Private key (PEM) of the certificate in --client-cert' -r -F
complete -c gor-record -l ws-header -d 'Add a header to the requests to ws:// and wss:// outputs (repeatable)' -r
complete -c gor-record -l spool -d 'Keep what is not uploaded yet in DIR [default: ~/.local/state/gor-tools/spool]' -r -f -a "(__fish_complete_directories)"
complete -c gor-record -l spool-max -d 'Stop with status 1 when SIZE waits in the spool and the server does not answer' -r
complete -c gor-record -l spool-wait -d 'At the end, wait at most DURATION for a server that does not answer' -r
complete -c gor-record -l chunk-age -d 'Start a new object when the current one is DURATION old' -r
complete -c gor-record -l manifest -d 'Write a line of JSON to FILE for each object that was written' -r -F
complete -c gor-record -l connections -d 'Send over N connections to each tcp://, tls://, ws:// or wss:// output [default: 1]' -r
complete -c gor-record -l ws-protocol -d 'Require subprotocol NAME; an output asks for it (repeatable: one of them)' -r
complete -c gor-record -l ws-password-file -d 'Read the password for ws://USER@HOST from the first line of FILE [env: GOR_WS_PASSWORD]' -r -F
complete -c gor-record -l kafka-ca -l kafka-tls-ca-cert -d 'Use TLS, and trust the certificate authorities in FILE [env: KAFKA_CA]' -r -F
complete -c gor-record -l kafka-cert -l kafka-tls-client-cert -d 'Use TLS with this client certificate in PEM [env: KAFKA_CERT]' -r -F
complete -c gor-record -l kafka-key -l kafka-tls-client-key -d 'Use this key for the client certificate, in PEM [env: KAFKA_KEY]' -r -F
complete -c gor-record -l kafka-username -d 'Authenticate as USER [env: KAFKA_USERNAME]' -r
complete -c gor-record -l kafka-password-file -d 'Read the password from the first line of FILE [env: KAFKA_PASSWORD_FILE]' -r -F
complete -c gor-record -l kafka-sasl -d 'Authenticate with MECHANISM [env: KAFKA_SASL]' -r -f -a "plain\t'PLAIN: the password itself'
scram-sha-256\t'SCRAM-SHA-256: a proof of knowing the password'
scram-sha-512\t'SCRAM-SHA-512: the same with SHA-512'"
complete -c gor-record -s w -l write -d 'Keep the packets too, in FILE.pcap or FILE.pcapng' -r -F
complete -c gor-record -l user -d 'Run as USER once everything is open [default: the user who called sudo, or nobody]' -r -f -a "(__fish_complete_users)"
complete -c gor-record -l metrics -d 'Serve metrics for Prometheus over HTTP, at the path /metrics of ADDRESS' -r
complete -c gor-record -l fetch -d 'Send at most N requests to S3 at a time [default: 4]' -r
complete -c gor-record -l stats -d 'Print progress, and statistics at the end' -r
complete -c gor-record -l stats-json -d 'Write statistics to FILE as JSON' -r -F
complete -c gor-record -l cpu-profile -d 'Write a CPU profile of the run to FILE, for go tool pprof' -r -F
complete -c gor-record -l mem-profile -d 'Write a profile of memory allocations to FILE, for go tool pprof' -r -F
complete -c gor-record -l pprof -d 'Serve profiles and counters over HTTP at ADDRESS, under /debug/' -r
complete -c gor-record -l any-host -d 'Record servers at all addresses, not only those of this machine'
complete -c gor-record -l promisc -d 'Capture in promiscuous mode, and record servers at all addresses'
complete -c gor-record -l monitor -d 'Put wireless interfaces into monitor mode, to capture all frames of their channel (needs --engine libpcap)'
complete -c gor-record -l responses -d 'Record responses too, with the ids of their requests'
complete -c gor-record -l allow-incomplete -d 'Write incomplete messages too, marked as gap'
complete -c gor-record -l force -d 'Overwrite existing files'
complete -c gor-record -l append -d 'Append to existing files'
complete -c gor-record -l index -d 'Write one index file FILE.idx for each output file: the times and kinds of its records'
complete -c gor-record -l split -d 'Distribute exchanges over the outputs in turn, instead of writing all of them to each output'
complete -c gor-record -l sessions -d 'With --split, keep all exchanges of a TCP connection in one output'
complete -c gor-record -l skip-verify -d 'Accept any certificate'
complete -c gor-record -l sticky -d 'With --connections, send all records of a TCP connection over the same one'
complete -c gor-record -l no-sign-request -d 'Use public buckets of S3 without credentials'
complete -c gor-record -s v -l verbose -d 'Print more messages, and statistics'
complete -c gor-record -s q -l quiet -d 'Print only errors and losses'
complete -c gor-record -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-record -s V -l version -d 'Print version'
