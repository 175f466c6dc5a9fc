complete -c gor-merge -l window -d 'Put right what is out of order by this much at most, as 500ms or 2s' -r
complete -c gor-merge -l memory -d 'Most bytes that --sort, and --window, hold in memory, from 1mb to 3gb' -r
complete -c gor-merge -l temp-dir -d 'Make temporary files in this directory; that of TMPDIR, or /tmp, unless given. They have no name, and vanish with the program' -r -F
complete -c gor-merge -l shift -d 'Add this to the times of an input, as monday.gor=+1h or -=-250ms, before it is merged. May be repeated' -r
complete -c gor-merge -l rebase -d 'Make this the time of the first record written; the others keep their distance from it' -r
complete -c gor-merge -l max-record -d 'Longest record accepted, up to 3gb' -r
complete -c gor-merge -s o -l output -d 'Write records to this file; `-` is standard output, `null:` discards. May be repeated' -r
complete -c gor-merge -l chunk-size -d 'Begin the next chunk before a file has more than so many bytes of records, counted before compression' -r
complete -c gor-merge -l chunk-records -d 'Begin the next chunk when a file has so many records' -r
complete -c gor-merge -l max-size -d 'Write so many bytes of records in all, counted before compression, then stop with status 1' -r
complete -c gor-merge -l flush-interval -d 'Write at least so often what has come: a kill loses no more. Pipes get everything at once' -r
complete -c gor-merge -l compress-level -d 'Compress so much: 1 to 9 for gzip (6 unless given), 1 to 22 for zstd (3)' -r
complete -c gor-merge -l compress-threads -d 'Compress on so many threads; up to four of the cores unless given' -r
complete -c gor-merge -l instance -d 'What %i in a name stands for; host name and process id unless given' -r
complete -c gor-merge -l stats-json -d 'Write the ledger to this file, as JSON' -r -F
complete -c gor-merge -l sort -d 'Sort inputs that are in no order, through temporary files'
complete -c gor-merge -l dedup -d 'Leave out records that were there already: the same id, kind and payload, whatever their times'
complete -c gor-merge -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-merge -l follow -d 'Read files on as they grow, until interrupted, as `tail -F` does'
complete -c gor-merge -l force -d 'Overwrite existing files'
complete -c gor-merge -l append -d 'Add to existing files; to compressed ones a new gzip member or zstd frame'
complete -c gor-merge -l index -d 'Write beside each file an index, FILE.idx: which times and kinds stand where'
complete -c gor-merge -l split -d 'Share between the outputs, exchange by exchange in turn, instead of writing all to each'
complete -c gor-merge -l sessions -d 'With --split, all exchanges of a TCP session go to one output'
complete -c gor-merge -l stats -d 'Print the ledger at the end, on standard error: what became of each record. So does -v'
complete -c gor-merge -s v -l verbose -d 'Say more; twice for everything'
complete -c gor-merge -s q -l quiet -d 'Say only what went wrong'
complete -c gor-merge -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-merge -s V -l version -d 'Print version'
