complete -c gor-replay -s i -l input -d 'File, directory, quoted glob or "-" (repeatable) [default: standard input]' -r -F
complete -c gor-replay -l read-depth -d 'Reorder requests within N requests, so that the oldest is sent next' -r
complete -c gor-replay -l exit-after -d 'Stop reading after DURATION, write what was read, and exit with status 0' -r
complete -c gor-replay -l log-format -d 'Read text inputs as access logs in FORMAT, and not only those that are recognised' -r
complete -c gor-replay -l max-record -d 'Skip records longer than SIZE (at most 3GB), and exit with status 1' -r
complete -c gor-replay -l fetch -d 'Send at most N requests to S3 at a time [default: 4]' -r
complete -c gor-replay -l tls-cert -d 'Certificate (PEM) of a tls:// or wss:// input, with those that vouch for it' -r -F
complete -c gor-replay -l tls-key -d 'Private key (PEM) of the certificate in --tls-cert' -r -F
complete -c gor-replay -l client-ca -d 'Accept only senders whose certificate one in FILE vouches for (PEM, repeatable)' -r -F
complete -c gor-replay -l allow -d 'Accept only senders in these networks, as 10.0.0.0/8 (repeatable)' -r
complete -c gor-replay -l ws-protocol -d 'Require subprotocol NAME; an output asks for it (repeatable: one of them)' -r
complete -c gor-replay -l ws-password-file -d 'Read the password for ws://USER@HOST from the first line of FILE [env: GOR_WS_PASSWORD]' -r -F
complete -c gor-replay -l speed -d 'Replay at SPEED, as 2x, 200% or 0.5 [default: 1x]' -r
complete -c gor-replay -l speed-ramp -d 'Change the speed linearly over a time, as 1x..10x:10m, then keep it' -r
complete -c gor-replay -l rate -d 'Send requests evenly at RATE, as 500/s, 100/m or 20/h' -r
complete -c gor-replay -l rate-ramp -d 'Change the rate linearly over a time, as 100/s..5000/s:10m, then keep it' -r
complete -c gor-replay -l max-wait -d 'Shorten pauses between requests to DURATION' -r
complete -c gor-replay -l start-at -d 'Send the first request at TIME, as 21:30 or 2026-11-23T09:00:00Z' -r
complete -c gor-replay -l since -d 'Replay requests recorded at TIME or later (times as in gor-filter)' -r
complete -c gor-replay -l until -d 'Replay requests recorded before TIME' -r
complete -c gor-replay -l shard -d 'Replay part I of N, as 1/3 on the first of three machines; keeps connections together' -r
complete -c gor-replay -l loop -d 'Replay N times [default without N: until interrupted]' -r
complete -c gor-replay -l loop-header -d 'Add header NAME with the number of the round to each request' -r
complete -c gor-replay -l threads -d 'Send to each target from N threads, which share its connections' -r
complete -c gor-replay -l connections -d 'Most connections to each target [default: 1024, with --no-wait 64]' -r
complete -c gor-replay -l min-connections -d 'Open N connections to each target in advance, and keep them open' -r
complete -c gor-replay -l idle-timeout -d 'Close connections after DURATION without use' -r
complete -c gor-replay -l queue -d 'Give up the oldest request when more than N wait for a connection' -r
complete -c gor-replay -l timeout -d 'Give up requests this long after they are due' -r
complete -c gor-replay -l redirects -d 'Follow up to N redirects, also to servers that are not targets' -r
complete -c gor-replay -l response-buffer -d 'Keep SIZE of each response for the output; what is longer is cut and marked' -r
complete -c gor-replay -l sni -d 'Ask for the certificate of NAME instead of that of the target\'s host' -r
complete -c gor-replay -l middleware -d 'Send requests and responses through COMMAND' -r -f -a "(__fish_complete_command)"
complete -c gor-replay -l middleware-timeout -d 'Kill the program if it neither reads nor writes for DURATION' -r
complete -c gor-replay -s o -l output -d 'Write records to FILE (repeatable)' -r -F
complete -c gor-replay -l format -d 'Write files and standard output in this format [default: by the end of the name, otherwise gor]' -r -f -a "gor\t''
jsonl\t''
har\t''
curl\t''
http\t''
csv\t''
postman\t''
parquet\t''
pcap\t''
pcapng\t''"
complete -c gor-replay -l chunk-size -d 'Start a new file before SIZE bytes of records are exceeded' -r
complete -c gor-replay -l chunk-records -d 'Start a new file after N records' -r
complete -c gor-replay -l max-size -d 'Stop after SIZE bytes of records, counted before compression, and exit with status 1' -r
complete -c gor-replay -l instance -d 'Name that %i in a file name is replaced by [default: host name and process ID]' -r
complete -c gor-replay -l flush-interval -d 'Flush at least this often; a kill loses at most this much' -r
complete -c gor-replay -l compress-level -d 'Compression level: 1 to 9 for gzip, 1 to 22 for zstd [default: gzip 6, zstd 3]' -r
complete -c gor-replay -l compress-threads -d 'Compress with N threads [default: one per core, at most 4]' -r
complete -c gor-replay -l ca-cert -d 'Trust the certificates in FILE (PEM, repeatable) instead of the system\'s' -r -F
complete -c gor-replay -l client-cert -d 'Present the certificate in FILE (PEM) to servers that ask for one' -r -F
complete -c gor-replay -l client-key -d 'Private key (PEM) of the certificate in --client-cert' -r -F
complete -c gor-replay -l ws-header -d 'Add a header to the requests to ws:// and wss:// outputs (repeatable)' -r
complete -c gor-replay -l spool -d 'Keep what is not uploaded yet in DIR [default: ~/.local/state/gor-tools/spool]' -r -f -a "(__fish_complete_directories)"
complete -c gor-replay -l spool-max -d 'Stop with status 1 when SIZE waits in the spool and the server does not answer' -r
complete -c gor-replay -l spool-wait -d 'At the end, wait at most DURATION for a server that does not answer' -r
complete -c gor-replay -l chunk-age -d 'Start a new object when the current one is DURATION old' -r
complete -c gor-replay -l manifest -d 'Write a line of JSON to FILE for each object that was written' -r -F
complete -c gor-replay -l kafka-ca -l kafka-tls-ca-cert -d 'Use TLS, and trust the certificate authorities in FILE [env: KAFKA_CA]' -r -F
complete -c gor-replay -l kafka-cert -l kafka-tls-client-cert -d 'Use TLS with this client certificate in PEM [env: KAFKA_CERT]' -r -F
complete -c gor-replay -l kafka-key -l kafka-tls-client-key -d 'Use this key for the client certificate, in PEM [env: KAFKA_KEY]' -r -F
complete -c gor-replay -l kafka-username -d 'Authenticate as USER [env: KAFKA_USERNAME]' -r
complete -c gor-replay -l kafka-password-file -d 'Read the password from the first line of FILE [env: KAFKA_PASSWORD_FILE]' -r -F
complete -c gor-replay -l kafka-sasl -d 'Authenticate with MECHANISM [env: KAFKA_SASL]' -r -f -a "plain\t'PLAIN: the password itself'
scram-sha-256\t'SCRAM-SHA-256: a proof of knowing the password'
scram-sha-512\t'SCRAM-SHA-512: the same with SHA-512'"
complete -c gor-replay -l slow-output -d 'What to do when the output is slower than the responses [default: drop, with --no-wait wait]' -r -f -a "drop\t'Send on time; responses that the output has no room for are dropped and counted'
wait\t'Keep every response; requests wait until the output has room'"
complete -c gor-replay -l elasticsearch -d 'Send a document about each exchange to Elasticsearch or OpenSearch: http://HOST:9200/INDEX' -r -f
complete -c gor-replay -l report -d 'Write a report: FILE.txt, .json or .html (repeatable)' -r -F
complete -c gor-replay -l group -d 'Treat matches in paths as ids, besides numbers, UUIDs and long hex words' -r
complete -c gor-replay -l fail-if -d 'Exit with status 3 if EXPR is true, as \'p99>200ms\' (repeatable)' -r
complete -c gor-replay -l checkpoint -d 'Keep in FILE which requests are done; the same command goes on there' -r -F
complete -c gor-replay -l checkpoint-interval -d 'Write the checkpoint each DURATION, at least 1s' -r
complete -c gor-replay -l metrics -d 'Serve metrics for Prometheus over HTTP, at the path /metrics of ADDRESS' -r
complete -c gor-replay -l stats -d 'Print progress, and statistics at the end' -r
complete -c gor-replay -l stats-json -d 'Write statistics to FILE as JSON' -r -F
complete -c gor-replay -l cpu-profile -d 'Write a CPU profile of the run to FILE, for go tool pprof' -r -F
complete -c gor-replay -l mem-profile -d 'Write a profile of memory allocations to FILE, for go tool pprof' -r -F
complete -c gor-replay -l pprof -d 'Serve profiles and counters over HTTP at ADDRESS, under /debug/' -r
complete -c gor-replay -l follow -d 'Keep reading files as they grow, as tail -F does'
complete -c gor-replay -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-replay -l no-sign-request -d 'Use public buckets of S3 without credentials'
complete -c gor-replay -l no-wait -d 'Send as fast as the target answers, on all connections'
complete -c gor-replay -l shard-from-env -d 'Take the part from the environment: GOR_SHARD_INDEX (from 0) of GOR_SHARD_COUNT'
complete -c gor-replay -l dry-run -d 'Send nothing; print a summary and the schedule'
complete -c gor-replay -l precise -d 'Wake up 200us early and spin until each request is due; keeps one core per target busy'
complete -c gor-replay -l think -d 'With --sessions, send a request as long after the response before it as it was recorded'
complete -c gor-replay -l cookies -d 'With --sessions, send cookies set by the target in place of recorded ones'
complete -c gor-replay -l original-host -d 'Keep the recorded Host header'
complete -c gor-replay -l send-incomplete -d 'Also send requests marked incomplete or doubtful, if their bytes are one whole request'
complete -c gor-replay -l middleware-may-drop -d 'Allow the program to drop records'
complete -c gor-replay -l force -d 'Overwrite existing files'
complete -c gor-replay -l append -d 'Append to existing files'
complete -c gor-replay -l index -d 'Write one index file FILE.idx for each output file: the times and kinds of its records'
complete -c gor-replay -l skip-verify -d 'Accept any certificate'
complete -c gor-replay -l exit-at-end -d 'Stop at the end that kafka:// inputs have at the start'
complete -c gor-replay -l echo -d 'Write the records of the input to the output too'
complete -c gor-replay -s v -l verbose -d 'Print more messages, and statistics'
complete -c gor-replay -s q -l quiet -d 'Print only errors and losses'
complete -c gor-replay -l split -d 'Distribute requests over the targets in turn, instead of sending all to each; outputs likewise'
complete -c gor-replay -l sessions -d 'Use one connection per recorded connection; with --split, to one target'
complete -c gor-replay -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-replay -s V -l version -d 'Print version'
