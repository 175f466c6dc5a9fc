complete -c gor-show -l compare -d 'List exchanges with different status or body in two recordings' -r -F
complete -c gor-show -l by -d 'Count requests by a header or cookie too: header:X-User, cookie:session' -r
complete -c gor-show -l top -d 'Show the N most frequent entries of each list' -r
complete -c gor-show -l group -d 'Treat matches in paths as ids, besides numbers, UUIDs and long hex words' -r
complete -c gor-show -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c gor-show -l exit-after -d 'Stop reading after DURATION, write what was read, and exit with status 0' -r
complete -c gor-show -l log-format -d 'Read text inputs as access logs in FORMAT, and not only those that are recognised' -r
complete -c gor-show -l max-record -d 'Skip records longer than SIZE (at most 3GB), and exit with status 1' -r
complete -c gor-show -l fetch -d 'Send at most N requests to S3 at a time [default: 4]' -r
complete -c gor-show -l tls-cert -d 'Certificate (PEM) of a tls:// or wss:// input, with those that vouch for it' -r -F
complete -c gor-show -l tls-key -d 'Private key (PEM) of the certificate in --tls-cert' -r -F
complete -c gor-show -l client-ca -d 'Accept only senders whose certificate one in FILE vouches for (PEM, repeatable)' -r -F
complete -c gor-show -l allow -d 'Accept only senders in these networks, as 10.0.0.0/8 (repeatable)' -r
complete -c gor-show -l ws-protocol -d 'Require subprotocol NAME; an output asks for it (repeatable: one of them)' -r
complete -c gor-show -l ws-password-file -d 'Read the password for ws://USER@HOST from the first line of FILE [env: GOR_WS_PASSWORD]' -r -F
complete -c gor-show -l kafka-ca -l kafka-tls-ca-cert -d 'Use TLS, and trust the certificate authorities in FILE [env: KAFKA_CA]' -r -F
complete -c gor-show -l kafka-cert -l kafka-tls-client-cert -d 'Use TLS with this client certificate in PEM [env: KAFKA_CERT]' -r -F
complete -c gor-show -l kafka-key -l kafka-tls-client-key -d 'Use this key for the client certificate, in PEM [env: KAFKA_KEY]' -r -F
complete -c gor-show -l kafka-username -d 'Authenticate as USER [env: KAFKA_USERNAME]' -r
complete -c gor-show -l kafka-password-file -d 'Read the password from the first line of FILE [env: KAFKA_PASSWORD_FILE]' -r -F
complete -c gor-show -l kafka-sasl -d 'Authenticate with MECHANISM [env: KAFKA_SASL]' -r -f -a "plain\t'PLAIN: the password itself'
scram-sha-256\t'SCRAM-SHA-256: a proof of knowing the password'
scram-sha-512\t'SCRAM-SHA-512: the same with SHA-512'"
complete -c gor-show -l stats -d 'Print progress, and statistics at the end' -r
complete -c gor-show -l stats-json -d 'Write statistics to FILE as JSON' -r -F
complete -c gor-show -l cpu-profile -d 'Write a CPU profile of the run to FILE, for go tool pprof' -r -F
complete -c gor-show -l mem-profile -d 'Write a profile of memory allocations to FILE, for go tool pprof' -r -F
complete -c gor-show -l pprof -d 'Serve profiles and counters over HTTP at ADDRESS, under /debug/' -r
complete -c gor-show -l headers -d 'Show start lines and headers'
complete -c gor-show -l bodies -d 'Show headers and decoded bodies'
complete -c gor-show -l raw -d 'Show messages as recorded, with control characters escaped'
complete -c gor-show -l json -d 'Write a JSON object per exchange, one per line'
complete -c gor-show -l summary -d 'Show a summary: times, methods, statuses, hosts, endpoints, latencies, clients'
complete -c gor-show -l utc -d 'Show times in UTC instead of local time'
complete -c gor-show -l follow -d 'Keep reading files as they grow, as tail -F does'
complete -c gor-show -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-show -l no-sign-request -d 'Use public buckets of S3 without credentials'
complete -c gor-show -l exit-at-end -d 'Stop at the end that kafka:// inputs have at the start'
complete -c gor-show -s v -l verbose -d 'Print more messages, and statistics'
complete -c gor-show -s q -l quiet -d 'Print only errors and losses'
complete -c gor-show -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-show -s V -l version -d 'Print version'
