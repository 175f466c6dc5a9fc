complete -c gor-rewrite -l threads -d 'Rewrite on this many threads; one for each core unless given. The output is the same' -r
complete -c gor-rewrite -l set-header -d 'Set a header: all lines of that name become this one, or it comes directly under the request line' -r
complete -c gor-rewrite -l delete-header -d 'Delete all lines of a header' -r
complete -c gor-rewrite -l rewrite-header -d 'Replace what matches in a header\'s values: `Host: (.*).example.com,$1.beta.example.com`' -r
complete -c gor-rewrite -l rewrite-url -d 'Replace what matches in path and query: `/v1/user/([^/]+)/ping:/v2/user/$1/ping`' -r
complete -c gor-rewrite -l set-param -d 'Set a parameter of the query: it takes the place of the first of that name, or comes last' -r
complete -c gor-rewrite -l delete-param -d 'Delete the parameters of that name from the query' -r
complete -c gor-rewrite -l set-host -d 'Set the host: the Host header, and that of a target with scheme and host, as proxies get it' -r
complete -c gor-rewrite -l redact -d 'Replace secrets and personal data: `all`, or a list of presets' -r
complete -c gor-rewrite -l redact-json -d 'Replace what a path selects in JSON bodies, and all below it: `$.user.name`, `$..street`, `$.items[*].id`' -r
complete -c gor-rewrite -l redact-param -d 'Replace the values of a parameter, in queries and in forms' -r
complete -c gor-rewrite -l redact-header -d 'Replace the values of a header' -r
complete -c gor-rewrite -l redact-key-file -d 'Take the key of the replacements from this file: the same value has the same replacement in every run' -r -F
complete -c gor-rewrite -l middleware -d 'Send records through this program, by GoReplay\'s protocol' -r
complete -c gor-rewrite -l middleware-timeout -d 'Kill the program when it has input left, or its input ended, and it neither reads nor writes for this long' -r
complete -c gor-rewrite -l max-record -d 'Longest record accepted, up to 3gb' -r
complete -c gor-rewrite -s o -l output -d 'Write records to this file; `-` is standard output, `null:` discards. May be repeated' -r
complete -c gor-rewrite -l chunk-size -d 'Begin the next chunk before a file has more than so many bytes of records, counted before compression' -r
complete -c gor-rewrite -l chunk-records -d 'Begin the next chunk when a file has so many records' -r
complete -c gor-rewrite -l max-size -d 'Write so many bytes of records in all, counted before compression, then stop with status 1' -r
complete -c gor-rewrite -l flush-interval -d 'Write at least so often what has come: a kill loses no more. Pipes get everything at once' -r
complete -c gor-rewrite -l compress-level -d 'Compress so much: 1 to 9 for gzip (6 unless given), 1 to 22 for zstd (3)' -r
complete -c gor-rewrite -l compress-threads -d 'Compress on so many threads; up to four of the cores unless given' -r
complete -c gor-rewrite -l instance -d 'What %i in a name stands for; host name and process id unless given' -r
complete -c gor-rewrite -l stats-json -d 'Write the ledger to this file, as JSON' -r -F
complete -c gor-rewrite -l all -d 'Apply every --rewrite-url that matches, not the first alone'
complete -c gor-rewrite -l redact-strict -d 'Drop records that cannot be read to be redacted, instead of writing them with their body as it is'
complete -c gor-rewrite -l middleware-may-drop -d 'The program drops records on purpose: one that does not come back is no error'
complete -c gor-rewrite -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-rewrite -l follow -d 'Read files on as they grow, until interrupted, as `tail -F` does'
complete -c gor-rewrite -l force -d 'Overwrite existing files'
complete -c gor-rewrite -l append -d 'Add to existing files; to compressed ones a new gzip member or zstd frame'
complete -c gor-rewrite -l index -d 'Write beside each file an index, FILE.idx: which times and kinds stand where'
complete -c gor-rewrite -l split -d 'Share between the outputs, exchange by exchange in turn, instead of writing all to each'
complete -c gor-rewrite -l sessions -d 'With --split, all exchanges of a TCP session go to one output'
complete -c gor-rewrite -l stats -d 'Print the ledger at the end, on standard error: what became of each record, how many each rule changed. So does -v'
complete -c gor-rewrite -s v -l verbose -d 'Say more; twice for everything'
complete -c gor-rewrite -s q -l quiet -d 'Say only what went wrong'
complete -c gor-rewrite -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-rewrite -s V -l version -d 'Print version'
