complete -c gor-replay -s i -l input -d 'Read records from this file or pattern; `-` or nothing is standard input. May be repeated' -r
complete -c gor-replay -l read-depth -d 'Requests among which the oldest is next, so that disorder in the recording is put right' -r
complete -c gor-replay -l max-record -d 'Longest record accepted, up to 3gb' -r
complete -c gor-replay -l speed -d 'How much faster than recorded; 2x, 200% and 2 are the same' -r
complete -c gor-replay -l max-wait -d 'Longest pause between two requests' -r
complete -c gor-replay -l loop -d 'Replay N times, or until interrupted. Time goes on from round to round' -r
complete -c gor-replay -l connections -d 'Most connections to each target. [default: 1024, with --no-wait 64]' -r
complete -c gor-replay -l timeout -d 'Longest time from when a request is due to the last byte of its answer' -r
complete -c gor-replay -s o -l output -d 'Write records to this file; `-` is standard output, `null:` discards. May be repeated' -r
complete -c gor-replay -l strict -d 'Fail at the first malformed record instead of skipping it'
complete -c gor-replay -l follow -d 'Read files on as they grow, until interrupted, as `tail -F` does'
complete -c gor-replay -l no-wait -d 'Send as fast as the target answers, on all connections'
complete -c gor-replay -l original-host -d 'Leave Host as it was recorded'
complete -c gor-replay -l dry-run -d 'Send nothing; tell what is recorded, and how long a replay takes'
complete -c gor-replay -l force -d 'Overwrite existing files'
complete -c gor-replay -l echo -d 'Write the input to the output too'
complete -c gor-replay -s q -l quiet -d 'Say only what went wrong'
complete -c gor-replay -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-replay -s V -l version -d 'Print version'
