complete -c gor-show -l top -d 'Show N names of each list' -r
complete -c gor-show -l group -d 'Take what REGEX matches in paths for an id, besides numbers, UUIDs and long hex words' -r
complete -c gor-show -l by -d 'Count requests by a header or cookie too: `header:X-User`, `cookie:session`' -r
complete -c gor-show -l compare -d 'List the exchanges whose status or body differ between two recordings of the same requests, and count the others' -r
complete -c gor-show -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c gor-show -l max-record -d 'Longest record accepted, up to 3gb' -r
complete -c gor-show -l headers -d 'Show start lines and headers'
complete -c gor-show -l bodies -d 'Show headers and bodies, decoded: chunked, gzip, deflate, br, zstd; JSON indented, binary bodies as a hex dump'
complete -c gor-show -l raw -d 'Show messages as they were recorded; only what would control a terminal is escaped'
complete -c gor-show -l json -d 'Write one JSON object a line and exchange; with --summary, one object'
complete -c gor-show -l summary -d 'Show what is in all of it: time, methods, status, hosts, endpoints, latency, rate, clients'
complete -c gor-show -l utc -d 'Show times in UTC instead of local time'
complete -c gor-show -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-show -l follow -d 'Read files on as they grow, until interrupted, as `tail -F` does'
complete -c gor-show -s v -l verbose -d 'Say more; twice for everything'
complete -c gor-show -s q -l quiet -d 'Say only what went wrong'
complete -c gor-show -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-show -s V -l version -d 'Print version'
