complete -c gor-record -s r -l read -d 'Capture to read: a file, a quoted glob, or `-`. May be repeated; several are one capture continued' -r
complete -c gor-record -l protocol -d 'What the connections speak. `binary`: a message is what one side says until the other answers, or until it is quiet for the time of --expire' -r -f -a "http\t'HTTP/1.0 and HTTP/1.1'
binary\t'Any bytes'"
complete -c gor-record -l real-ip-header -d 'Put the client\'s address into this field of recorded requests, in place of any that the client sent under that name' -r
complete -c gor-record -l expire -d 'Give up an unfinished message, or a missing packet, after so long' -r
complete -c gor-record -l max-message -d 'Keep so much of a message; what is longer is cut and marked as `cut`' -r
complete -c gor-record -s o -l output -d 'Write records to this file; `-` is standard output, `null:` discards. May be repeated' -r
complete -c gor-record -l stats-json -d 'Write the same as JSON to this file' -r -F
complete -c gor-record -l responses -d 'Record responses too, with the id of their request'
complete -c gor-record -l allow-incomplete -d 'Write what there is of messages that are not whole, marked as `gap`'
complete -c gor-record -l force -d 'Overwrite existing files'
complete -c gor-record -l stats -d 'Print what became of every packet, byte and message at the end. So does -v'
complete -c gor-record -s v -l verbose -d 'Say more; twice for everything'
complete -c gor-record -s q -l quiet -d 'Say only what went wrong'
complete -c gor-record -s h -l help -d 'Print help (see more with \'--help\')'
complete -c gor-record -s V -l version -d 'Print version'
