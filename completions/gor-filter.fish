complete -c gor-filter -l threads -d 'Judge on this many threads; one for each core unless given. The output is the same' -r
complete -c gor-filter -l method -d 'The method is this one; any of those given' -r
complete -c gor-filter -l url -d 'The path and query match; any of those given' -r
complete -c gor-filter -l not-url -d 'The path and query match none of those given' -r
complete -c gor-filter -l header -d 'A header of this name, in any case, is there and a value of it matches; all of those given' -r
complete -c gor-filter -l not-header -d 'No value of a header of this name matches; none of those given' -r
complete -c gor-filter -l basic-auth -d 'The decoded user:password of basic authentication is there and matches; any of those given' -r
complete -c gor-filter -l header-limit -d 'The header\'s value belongs to this share of all values, by its hash, or it has none; all of those given' -r
complete -c gor-filter -l param-limit -d 'The same for a parameter of the query, its value taken as recorded' -r
complete -c gor-filter -l host -d 'The host matches; any of those given' -r
complete -c gor-filter -l body -d 'The body of the request or that of the response matches; any of those given' -r
complete -c gor-filter -l status -d 'The response\'s status matches; any of those given. `^5` and `5..` are all server errors' -r
complete -c gor-filter -l not-status -d 'The response\'s status matches none of those given. There must be a response' -r
complete -c gor-filter -l min-latency -d 'The exchange took this long or longer, from the request\'s beginning to the response\'s end' -r
complete -c gor-filter -l max-latency -d 'The exchange took this long at most' -r
complete -c gor-filter -l since -d 'Keep requests that began at TIME or later: `2026-11-23 21:07`, 21:07, yesterday, -2h, 2026-11-23T09:00:00Z' -r
complete -c gor-filter -l until -d 'Keep requests that began before TIME' -r
complete -c gor-filter -l sample -d 'The exchange belongs to a sample of this size: 10%, 0.5%, 1/4' -r
complete -c gor-filter -l window -d 'How many bytes after its request a response may begin, where a rule asks it. They are kept in memory' -r
complete -c gor-filter -l kind -d 'Write records of this kind; any of those given' -r -f -a "request\t'What the client sent'
response\t'What the server answered when it was recorded'
replayed\t'What a replay of the request was answered'"
complete -c gor-filter -l limit -d 'Write this many records and stop' -r
complete -c gor-filter -l max-record -d 'Longest record accepted, up to 3gb' -r
complete -c gor-filter -s o -l output -d 'Write records to this file; `-` is standard output, `null:` discards. May be repeated' -r
complete -c gor-filter -l chunk-size -d 'Begin the next chunk before a file has more than so many bytes of records, counted before compression' -r
complete -c gor-filter -l chunk-records -d 'Begin the next chunk when a file has so many records' -r
complete -c gor-filter -l max-size -d 'Write so many bytes of records in all, counted before compression, then stop with status 1' -r
complete -c gor-filter -l flush-interval -d 'Write at least so often what has come: a kill loses no more. Pipes get everything at once' -r
complete -c gor-filter -l compress-level -d 'Compress so much: 1 to 9 for gzip (6 unless given), 1 to 22 for zstd (3)' -r
complete -c gor-filter -l compress-threads -d 'Compress on so many threads; up to four of the cores unless given' -r
complete -c gor-filter -l instance -d 'What %i in a name stands for; host name and process id unless given' -r
complete -c gor-filter -l stats-json -d 'Write the ledger to this file, as JSON' -r -F
complete -c gor-filter -l complete -d 'The message is whole: not marked as cut or with gaps, and as long as its HTTP framing says'
complete -c gor-filter -l invert -d 'Write exactly the records that the rules drop, and drop those that they let pass'
complete -c gor-filter -l count -d 'Print the number of records that would be written instead of them'
complete -c gor-filter -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-filter -l follow -d 'Read files on as they grow, until interrupted, as `tail -F` does'
complete -c gor-filter -l force -d 'Overwrite existing files'
complete -c gor-filter -l append -d 'Add to existing files; to compressed ones a new gzip member or zstd frame'
complete -c gor-filter -l index -d 'Write beside each file an index, FILE.idx: which times and kinds stand where'
complete -c gor-filter -l split -d 'Share between the outputs, exchange by exchange in turn, instead of writing all to each'
complete -c gor-filter -l sessions -d 'With --split, all exchanges of a TCP session go to one output'
complete -c gor-filter -l stats -d 'Print the ledger at the end, on standard error: what became of each record. So does -v'
complete -c gor-filter -s v -l verbose -d 'Say more; twice for everything'
complete -c gor-filter -s q -l quiet -d 'Say only what went wrong'
complete -c gor-filter -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-filter -s V -l version -d 'Print version'
