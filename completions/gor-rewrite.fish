complete -c gor-rewrite -l threads -d 'Rewrite on this many threads; one for each core unless given. The output is the same' -r
complete -c gor-rewrite -l set-header -d 'Set a header: all lines of that name become this one, or it comes directly under the request line' -r
complete -c gor-rewrite -l delete-header -d 'Delete all lines of a header' -r
complete -c gor-rewrite -l rewrite-header -d 'Replace what matches in a header\'s values: `Host: (.*).example.com,$1.beta.example.com`' -r
complete -c gor-rewrite -l rewrite-url -d 'Replace what matches in path and query: `/v1/user/([^/]+)/ping:/v2/user/$1/ping`' -r
complete -c gor-rewrite -l set-param -d 'Set a parameter of the query: it takes the place of the first of that name, or comes last' -r
complete -c gor-rewrite -l delete-param -d 'Delete the parameters of that name from the query' -r
complete -c gor-rewrite -l set-host -d 'Set the host: the Host header, and that of a target with scheme and host, as proxies get it' -r
complete -c gor-rewrite -l middleware -d 'Send records through this program, by GoReplay\'s protocol' -r
complete -c gor-rewrite -l middleware-timeout -d 'How long the program may be silent after its input ended, before it is killed' -r
complete -c gor-rewrite -l max-record -d 'Longest record accepted, up to 3gb' -r
complete -c gor-rewrite -s o -l output -d 'Write records to this file; `-` is standard output, `null:` discards. May be repeated' -r
complete -c gor-rewrite -l stats-json -d 'Write the ledger to this file, as JSON' -r -F
complete -c gor-rewrite -l all -d 'Apply every --rewrite-url that matches, not the first alone'
complete -c gor-rewrite -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-rewrite -l follow -d 'Read files on as they grow, until interrupted, as `tail -F` does'
complete -c gor-rewrite -l force -d 'Overwrite existing files'
complete -c gor-rewrite -l stats -d 'Print the ledger at the end, on standard error: what became of each record, how many each rule changed. So does -v'
complete -c gor-rewrite -s v -l verbose -d 'Say more; twice for everything'
complete -c gor-rewrite -s q -l quiet -d 'Say only what went wrong'
complete -c gor-rewrite -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-rewrite -s V -l version -d 'Print version'
