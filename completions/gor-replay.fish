complete -c gor-replay -s i -l input -d 'Read records from this file or pattern; `-` or nothing is standard input. May be repeated' -r
complete -c gor-replay -l read-depth -d 'Requests among which the oldest is next, so that disorder in the recording is put right' -r
complete -c gor-replay -l max-record -d 'Longest record accepted, up to 3gb' -r
complete -c gor-replay -l speed -d 'How much faster than recorded; 2x, 200% and 2 are the same' -r
complete -c gor-replay -l max-wait -d 'Longest pause between two requests' -r
complete -c gor-replay -l loop -d 'Replay N times, or until interrupted. Time goes on from round to round' -r
complete -c gor-replay -l connections -d 'Most connections to each target. [default: 1024, with --no-wait 64]' -r
complete -c gor-replay -l timeout -d 'Longest time from when a request is due to the last byte of its answer' -r
complete -c gor-replay -s o -l output -d 'Write records to this file; `-` is standard output, `null:` discards. May be repeated' -r
complete -c gor-replay -l chunk-size -d 'Begin the next chunk before a file has more than so many bytes of records, counted before compression' -r
complete -c gor-replay -l chunk-records -d 'Begin the next chunk when a file has so many records' -r
complete -c gor-replay -l max-size -d 'Write so many bytes of records in all, counted before compression, then stop with status 1' -r
complete -c gor-replay -l flush-interval -d 'Write at least so often what has come: a kill loses no more. Pipes get everything at once' -r
complete -c gor-replay -l compress-level -d 'Compress so much: 1 to 9 for gzip (6 unless given), 1 to 22 for zstd (3)' -r
complete -c gor-replay -l compress-threads -d 'Compress on so many threads; up to four of the cores unless given' -r
complete -c gor-replay -l instance -d 'What %i in a name stands for; host name and process id unless given' -r
complete -c gor-replay -l slow-output -d 'What to do when the output is slower than the answers: drop answers from it, or wait and send late. [default: drop, with --no-wait wait]' -r -f -a "drop\t'Send on time; answers that the output has no room for are dropped from it and counted'
wait\t'Keep every answer; requests wait until the output has room'"
complete -c gor-replay -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-replay -l follow -d 'Read files on as they grow, until interrupted, as `tail -F` does'
complete -c gor-replay -l no-wait -d 'Send as fast as the target answers, on all connections'
complete -c gor-replay -l original-host -d 'Leave Host as it was recorded'
complete -c gor-replay -l dry-run -d 'Send nothing; print what `gor-show --summary` does, when requests would be due, and what each target would get'
complete -c gor-replay -l force -d 'Overwrite existing files'
complete -c gor-replay -l append -d 'Add to existing files; to compressed ones a new gzip member or zstd frame'
complete -c gor-replay -l index -d 'Write beside each file an index, FILE.idx: which times and kinds stand where'
complete -c gor-replay -l split -d 'Share between the outputs, exchange by exchange in turn, instead of writing all to each'
complete -c gor-replay -l sessions -d 'With --split, all exchanges of a TCP session go to one output'
complete -c gor-replay -l echo -d 'Write the input to the output too'
complete -c gor-replay -s q -l quiet -d 'Say only what went wrong'
complete -c gor-replay -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-replay -s V -l version -d 'Print version'
