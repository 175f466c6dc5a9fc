complete -c gor-merge -l window -d 'Reorder records that are out of order by DURATION at most' -r
complete -c gor-merge -l memory -d 'Hold at most SIZE in memory for --sort or --window (1MB to 3GB)' -r
complete -c gor-merge -l temp-dir -d 'Directory for temporary files [default: TMPDIR, or /tmp]' -r -f -a "(__fish_complete_directories)"
complete -c gor-merge -l shift -d 'Add DURATION to the times of an input: web2.gor=-250ms (repeatable)' -r
complete -c gor-merge -l rebase -d 'Move all times so that the first record written has TIME: now, -2h' -r
complete -c gor-merge -l exit-after -d 'Stop reading after DURATION, write what was read, and exit with status 0' -r
complete -c gor-merge -l log-format -d 'Read text inputs as access logs in FORMAT, and not only those that are recognised' -r
complete -c gor-merge -l max-record -d 'Skip records longer than SIZE (at most 3GB), and exit with status 1' -r
complete -c gor-merge -l fetch -d 'Send at most N requests to S3 at a time [default: 4]' -r
complete -c gor-merge -l tls-cert -d 'Certificate (PEM) of a tls:// or wss:// input, with those that vouch for it' -r -F
complete -c gor-merge -l tls-key -d 'Private key (PEM) of the certificate in --tls-cert' -r -F
complete -c gor-merge -l client-ca -d 'Accept only senders whose certificate one in FILE vouches for (PEM, repeatable)' -r -F
complete -c gor-merge -l allow -d 'Accept only senders in these networks, as 10.0.0.0/8 (repeatable)' -r
complete -c gor-merge -s o -l output -d 'Write records to FILE (repeatable)' -r -F
complete -c gor-merge -l format -d 'Write files and standard output in this format [default: by the end of the name, otherwise gor]' -r -f -a "gor\t''
jsonl\t''
har\t''
curl\t''
http\t''
csv\t''
postman\t''
parquet\t''
pcap\t''
pcapng\t''"
complete -c gor-merge -l chunk-size -d 'Start a new file before SIZE bytes of records are exceeded' -r
complete -c gor-merge -l chunk-records -d 'Start a new file after N records' -r
complete -c gor-merge -l max-size -d 'Stop after SIZE bytes of records, counted before compression, and exit with status 1' -r
complete -c gor-merge -l instance -d 'Name that %i in a file name is replaced by [default: host name and process ID]' -r
complete -c gor-merge -l flush-interval -d 'Flush at least this often; a kill loses at most this much' -r
complete -c gor-merge -l compress-level -d 'Compression level: 1 to 9 for gzip, 1 to 22 for zstd [default: gzip 6, zstd 3]' -r
complete -c gor-merge -l compress-threads -d 'Compress with N threads [default: one per core, at most 4]' -r
complete -c gor-merge -l ca-cert -d 'Trust the certificates in FILE (PEM, repeatable) instead of the system\'s' -r -F
complete -c gor-merge -l client-cert -d 'Present the certificate in FILE (PEM) to servers that ask for one' -r -F
complete -c gor-merge -l client-key -d 'Private key (PEM) of the certificate in --client-cert' -r -F
complete -c gor-merge -l ws-header -d 'Add a header to the requests to ws:// and wss:// outputs (repeatable)' -r
complete -c gor-merge -l spool -d 'Keep what is not uploaded yet in DIR [default: ~/.local/state/gor-tools/spool]' -r -f -a "(__fish_complete_directories)"
complete -c gor-merge -l spool-max -d 'Stop with status 1 when SIZE waits in the spool and the server does not answer' -r
complete -c gor-merge -l spool-wait -d 'At the end, wait at most DURATION for a server that does not answer' -r
complete -c gor-merge -l chunk-age -d 'Start a new object when the current one is DURATION old' -r
complete -c gor-merge -l manifest -d 'Write a line of JSON to FILE for each object that was written' -r -F
complete -c gor-merge -l connections -d 'Send over N connections to each tcp://, tls://, ws:// or wss:// output [default: 1]' -r
complete -c gor-merge -l ws-protocol -d 'Require subprotocol NAME; an output asks for it (repeatable: one of them)' -r
complete -c gor-merge -l ws-password-file -d 'Read the password for ws://USER@HOST from the first line of FILE [env: GOR_WS_PASSWORD]' -r -F
complete -c gor-merge -l kafka-ca -l kafka-tls-ca-cert -d 'Use TLS, and trust the certificate authorities in FILE [env: KAFKA_CA]' -r -F
complete -c gor-merge -l kafka-cert -l kafka-tls-client-cert -d 'Use TLS with this client certificate in PEM [env: KAFKA_CERT]' -r -F
complete -c gor-merge -l kafka-key -l kafka-tls-client-key -d 'Use this key for the client certificate, in PEM [env: KAFKA_KEY]' -r -F
complete -c gor-merge -l kafka-username -d 'Authenticate as USER [env: KAFKA_USERNAME]' -r
complete -c gor-merge -l kafka-password-file -d 'Read the password from the first line of FILE [env: KAFKA_PASSWORD_FILE]' -r -F
complete -c gor-merge -l kafka-sasl -d 'Authenticate with MECHANISM [env: KAFKA_SASL]' -r -f -a "plain\t'PLAIN: the password itself'
scram-sha-256\t'SCRAM-SHA-256: a proof of knowing the password'
scram-sha-512\t'SCRAM-SHA-512: the same with SHA-512'"
complete -c gor-merge -l stats -d 'Print progress, and statistics at the end' -r
complete -c gor-merge -l stats-json -d 'Write statistics to FILE as JSON' -r -F
complete -c gor-merge -l cpu-profile -d 'Write a CPU profile of the run to FILE, for go tool pprof' -r -F
complete -c gor-merge -l mem-profile -d 'Write a profile of memory allocations to FILE, for go tool pprof' -r -F
complete -c gor-merge -l pprof -d 'Serve profiles and counters over HTTP at ADDRESS, under /debug/' -r
complete -c gor-merge -l sort -d 'Sort inputs of any size in any order, through temporary files'
complete -c gor-merge -l dedup -d 'Drop duplicate records: those with the same id, kind and payload'
complete -c gor-merge -l follow -d 'Keep reading files as they grow, as tail -F does'
complete -c gor-merge -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-merge -l no-sign-request -d 'Use public buckets of S3 without credentials'
complete -c gor-merge -l force -d 'Overwrite existing files'
complete -c gor-merge -l append -d 'Append to existing files'
complete -c gor-merge -l index -d 'Write one index file FILE.idx for each output file: the times and kinds of its records'
complete -c gor-merge -l split -d 'Distribute exchanges over the outputs in turn, instead of writing all of them to each output'
complete -c gor-merge -l sessions -d 'With --split, keep all exchanges of a TCP connection in one output'
complete -c gor-merge -l skip-verify -d 'Accept any certificate'
complete -c gor-merge -l sticky -d 'With --connections, send all records of a TCP connection over the same one'
complete -c gor-merge -l exit-at-end -d 'Stop at the end that kafka:// inputs have at the start'
complete -c gor-merge -s v -l verbose -d 'Print more messages, and statistics'
complete -c gor-merge -s q -l quiet -d 'Print only errors and losses'
complete -c gor-merge -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-merge -s V -l version -d 'Print version'
