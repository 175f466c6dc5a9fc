complete -c gor-merge -l window -d 'Put right what is out of order by this much at most, as 500ms or 2s' -r
complete -c gor-merge -l memory -d 'Most bytes that --sort, and --window, hold in memory, from 1mb to 3gb' -r
complete -c gor-merge -l temp-dir -d 'Make temporary files in this directory; that of TMPDIR, or /tmp, unless given. They have no name, and vanish with the program' -r -F
complete -c gor-merge -l shift -d 'Add this to the times of an input, as monday.gor=+1h or -=-250ms, before it is merged. May be repeated' -r
complete -c gor-merge -l rebase -d 'Make this the time of the first record written; the others keep their distance from it' -r
complete -c gor-merge -l max-record -d 'Longest record accepted, up to 3gb' -r
complete -c gor-merge -s o -l output -d 'Write records to this file; `-` is standard output, `null:` discards. May be repeated' -r
complete -c gor-merge -l stats-json -d 'Write the ledger to this file, as JSON' -r -F
complete -c gor-merge -l sort -d 'Sort inputs that are in no order, through temporary files'
complete -c gor-merge -l dedup -d 'Leave out records that were there already: the same id, kind and payload, whatever their times'
complete -c gor-merge -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-merge -l follow -d 'Read files on as they grow, until interrupted, as `tail -F` does'
complete -c gor-merge -l force -d 'Overwrite existing files'
complete -c gor-merge -l stats -d 'Print the ledger at the end, on standard error: what became of each record. So does -v'
complete -c gor-merge -s v -l verbose -d 'Say more; twice for everything'
complete -c gor-merge -s q -l quiet -d 'Say only what went wrong'
complete -c gor-merge -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-merge -s V -l version -d 'Print version'
