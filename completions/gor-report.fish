complete -c gor-report -s o -l output -d 'Write the report to FILE.txt, FILE.json or FILE.html instead of standard output (repeatable)' -r -F
complete -c gor-report -l fail-if -d 'Exit with status 3 if EXPR is true, as \'p99>200ms\' (repeatable)' -r
complete -c gor-report -l fetch -d 'Send at most N requests to S3 at a time [default: 4]' -r
complete -c gor-report -l stats -d 'Print progress, and statistics at the end' -r
complete -c gor-report -l stats-json -d 'Write statistics to FILE as JSON' -r -F
complete -c gor-report -l cpu-profile -d 'Write a CPU profile of the run to FILE, for go tool pprof' -r -F
complete -c gor-report -l mem-profile -d 'Write a profile of memory allocations to FILE, for go tool pprof' -r -F
complete -c gor-report -l pprof -d 'Serve profiles and counters over HTTP at ADDRESS, under /debug/' -r
complete -c gor-report -l force -d 'Overwrite existing files and objects'
complete -c gor-report -l utc -d 'Show times in UTC instead of local time'
complete -c gor-report -l no-sign-request -d 'Use public buckets of S3 without credentials'
complete -c gor-report -s v -l verbose -d 'Print more messages, and statistics'
complete -c gor-report -s q -l quiet -d 'Print only errors and losses'
complete -c gor-report -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-report -s V -l version -d 'Print version'
