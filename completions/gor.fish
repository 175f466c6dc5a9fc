complete -c gor -l verbose -d 'Print more: with 1 or more, also what is in order and statistics of each server [default: 0]' -r
complete -c gor -l exit-after -d 'End after this time, flushed, with status 0 [default: 0]' -r
complete -c gor -l copy-buffer-size -d 'Longest message recorded from packets [default: 5mb]' -r
complete -c gor -l cpuprofile -d 'Write a CPU profile, in pprof\'s format, to this file' -r
complete -c gor -l memprofile -d 'Write a memory profile, in pprof\'s format, to this file' -r
complete -c gor -l http-pprof -d 'Serve profiles and counters over HTTP at this address' -r
complete -c gor -l middleware -d 'Send records through this program' -r
complete -c gor -l input-file -d 'Read a recording: a file, a quoted glob, s3://BUCKET/KEY; \'FILE|200%\' at twice the speed' -r -F
complete -c gor -l input-file-max-wait -d 'Longest pause between two records [default: 0]' -r
complete -c gor -l input-file-read-depth -d 'Records among which the oldest comes next [default: 100]' -r
complete -c gor -l input-raw -d 'Record from the network, [HOST or INTERFACE]:PORT[,PORT], or from FILE:PORT with the engine pcap_file' -r
complete -c gor -l input-raw-engine -d 'How packets are captured: libpcap, raw_socket, af_packet, pcap_file, vxlan [default: af_packet]' -r
complete -c gor -l input-raw-protocol -d 'What connections speak: http, binary [default: http]' -r
complete -c gor -l input-raw-realip-header -d 'Add a header with the client\'s address' -r
complete -c gor -l input-raw-expire -d 'Give up a message that does not go on for this time [default: 2s]' -r
complete -c gor -l input-raw-bpf-filter -d 'Capture what this filter of tcpdump lets pass' -r
complete -c gor -l input-raw-buffer-size -d 'The kernel\'s buffer [default: 0]' -r
complete -c gor -l input-raw-buffer-timeout -d 'How long the kernel gathers packets [default: 0]' -r
complete -c gor -l input-raw-ignore-interface -d 'Do not capture at this interface' -r
complete -c gor -l input-raw-timestamp-type -d 'Whose clock stamps packets, by the engine libpcap' -r
complete -c gor -l input-raw-vlan-vid -d 'Record only this VLAN' -r
complete -c gor -l input-raw-vxlan-port -d 'UDP port of VXLAN [default: 4789]' -r
complete -c gor -l input-raw-vxlan-vni -d 'Record only this VXLAN network; negative: all but it' -r
complete -c gor -l input-tcp -d 'Listen for records of other gors' -r
complete -c gor -l input-tcp-certificate -d 'Our certificate, PEM' -r
complete -c gor -l input-tcp-certificate-key -d 'The key to it, PEM' -r
complete -c gor -l input-kafka-host -d 'Brokers to read from, separated by commas' -r
complete -c gor -l input-kafka-topic -d 'The topic; \'TOPIC|200%\' at twice the speed' -r
complete -c gor -l input-kafka-offset -d 'Where to begin: -1 with what comes, -2 with the oldest, or a number [default: -1]' -r
complete -c gor -l input-kafka-mechanism -d 'PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512' -r
complete -c gor -l input-kafka-username -d 'The user' -r
complete -c gor -l input-kafka-password -d 'The password' -r
complete -c gor -l input-dummy -d 'Make a request and its response each second' -r
complete -c gor -l http-allow-method -d 'Keep requests of this method (any of those given)' -r
complete -c gor -l http-allow-url -d 'Keep requests whose path and query match (any of those given)' -r
complete -c gor -l http-disallow-url -d 'Drop requests whose path and query match' -r
complete -c gor -l http-allow-header -d 'Keep requests whose header matches, NAME:REGEX (all of those given)' -r
complete -c gor -l http-disallow-header -d 'Drop requests whose header matches, NAME:REGEX' -r
complete -c gor -l http-basic-auth-filter -d 'Keep requests whose decoded user:password matches (all of those given)' -r
complete -c gor -l http-header-limiter -d 'Keep this share of the values of a header, NAME:25%' -r
complete -c gor -l http-param-limiter -d 'Keep this share of the values of a parameter, NAME:25%' -r
complete -c gor -l http-set-header -d 'Set a header, NAME: VALUE' -r
complete -c gor -l http-set-param -d 'Set a parameter of the query, NAME=VALUE' -r
complete -c gor -l http-rewrite-url -d 'Replace in path and query, REGEX:TEXT; the first that matches' -r
complete -c gor -l http-rewrite-header -d 'Replace in a header, NAME: REGEX,TEXT' -r
complete -c gor -l output-file -d 'Write to files, as requests_0.gor, requests_1.gor; %Y, %m, %d, %H, %M, %S, %NS, %r, %t and %i in the name are filled in' -r -F
complete -c gor -l output-file-flush-interval -d 'How long records wait before they are on disk [default: 1s]' -r
complete -c gor -l output-file-size-limit -d 'Begin the next file once this size is reached [default: 32mb]' -r
complete -c gor -l output-file-queue-limit -d 'Begin the next file after N records; 0: never [default: 256]' -r
complete -c gor -l output-file-max-size-limit -d 'End with the record that reaches SIZE [default: 1tb]' -r
complete -c gor -l output-file-buffer -d 'Where chunks for S3 wait until they are uploaded [default: ~/.local/state/gor-tools/spool]' -r
complete -c gor -l output-tcp -d 'Send to another gor' -r
complete -c gor -l output-tcp-workers -d 'Connections [default: 10]' -r
complete -c gor -l output-ws -d 'Send to a WebSocket' -r
complete -c gor -l output-ws-workers -d 'Connections [default: 10]' -r
complete -c gor -l output-kafka-host -d 'Brokers to write to, separated by commas' -r
complete -c gor -l output-kafka-topic -d 'The topic' -r
complete -c gor -l output-kafka-mechanism -d 'PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512' -r
complete -c gor -l output-kafka-username -d 'The user' -r
complete -c gor -l output-kafka-password -d 'The password' -r
complete -c gor -l kafka-tls-ca-cert -d 'Certificates that brokers are checked by' -r
complete -c gor -l kafka-tls-client-cert -d 'Our certificate for brokers' -r
complete -c gor -l kafka-tls-client-key -d 'The key to it' -r
complete -c gor -l output-http -d 'Send requests to a server; \'URL|10\' the first ten of each second, \'URL|10%\' a tenth' -r
complete -c gor -l output-http-workers -d 'Most connections; 0: as many as are needed [default: 0]' -r
complete -c gor -l output-http-workers-min -d 'Connections that are opened at once [default: 0]' -r
complete -c gor -l output-http-queue-len -d 'Requests that may wait for a connection [default: 1000]' -r
complete -c gor -l output-http-timeout -d 'Longest time to the end of a response [default: 5s]' -r
complete -c gor -l output-http-worker-timeout -d 'Close connections that were idle for this time [default: 2s]' -r
complete -c gor -l output-http-redirects -d 'Follow at most N redirects [default: 0]' -r
complete -c gor -l output-http-response-buffer -d 'Bytes of a response that are kept [default: 5mb]' -r
complete -c gor -l output-http-stats-ms -d 'Interval of --output-http-stats, in milliseconds [default: 5000]' -r
complete -c gor -l output-http-elasticsearch -d 'Send a document about each exchange to HOST:PORT/INDEX' -r
complete -c gor -l output-binary -d 'Send payloads to HOST:PORT as they were recorded' -r
complete -c gor -l output-binary-timeout -d 'Longest time to the end of an answer [default: 5s]' -r
complete -c gor -l output-binary-workers -d 'Most connections [default: 0]' -r
complete -c gor -l output-tcp-response-buffer -d 'Bytes of an answer that are kept [default: 5mb]' -r
complete -c gor -l stats -d 'Print progress every 5s'
complete -c gor -l split-output -d 'Give each exchange to one output in turn, not to all'
complete -c gor -l recognize-tcp-sessions -d 'Keep the requests of a TCP connection together, in order, on one connection'
complete -c gor -l prettify-http -d 'Decode chunked and compressed bodies'
complete -c gor -l input-file-loop -d 'Read the files again and again'
complete -c gor -l input-file-dry-run -d 'Print how many records there are and how long they would take; do nothing else'
complete -c gor -l input-raw-track-response -d 'Record responses too'
complete -c gor -l input-raw-allow-incomplete -d 'Record messages with missing parts too, marked'
complete -c gor -l input-raw-monitor -d 'Wireless monitor mode, by the engine libpcap'
complete -c gor -l input-raw-override-snaplen -d 'Capture whole packets, which is always so'
complete -c gor -l input-raw-promisc -d 'Promiscuous mode'
complete -c gor -l input-raw-stats -d 'Print counts of packets and messages every 5s'
complete -c gor -l input-raw-vlan -d 'Look into VLANs, which is always so'
complete -c gor -l input-tcp-secure -d 'The same over TLS'
complete -c gor -l input-kafka-json-format -d 'Messages are GoReplay\'s JSON'
complete -c gor -l input-kafka-use-sasl -d 'Authenticate by SASL'
complete -c gor -l http-original-host -d 'Keep the recorded Host header'
complete -c gor -l output-stdout -d 'Write records to standard output'
complete -c gor -l output-null -d 'Discard records'
complete -c gor -l output-file-append -d 'Write to one file of exactly this name, at its end'
complete -c gor -l output-tcp-secure -d 'The same over TLS'
complete -c gor -l output-tcp-skip-verify -d 'Take any certificate'
complete -c gor -l output-tcp-sticky -d 'Keep a TCP connection\'s records on one connection'
complete -c gor -l output-tcp-stats -d 'Print progress every 5s'
complete -c gor -l output-ws-skip-verify -d 'Take any certificate'
complete -c gor -l output-ws-sticky -d 'Keep a TCP connection\'s records on one connection'
complete -c gor -l output-ws-stats -d 'Print progress every 5s'
complete -c gor -l output-kafka-json-format -d 'Write GoReplay\'s JSON'
complete -c gor -l output-kafka-use-sasl -d 'Authenticate by SASL'
complete -c gor -l output-http-skip-verify -d 'Take any certificate'
complete -c gor -l output-http-track-response -d 'Replayed responses go through the middleware and to the other outputs'
complete -c gor -l output-http-stats -d 'Print the number of requests sent and answered from time to time'
complete -c gor -l output-binary-track-response -d 'Answers go to the other outputs'
complete -c gor -l output-binary-debug -d 'Print what fails, which is always so'
complete -c gor -l explain -d 'Print the same as a pipe of the Unix tools, and do nothing'
complete -c gor -s h -l help -d 'Print help (see more with \'--help\')'
