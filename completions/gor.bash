_gor() {
    local i cur prev opts cmd
    COMPREPLY=()
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        cur="$2"
    else
        cur="${COMP_WORDS[COMP_CWORD]}"
    fi
    prev="$3"
    cmd=""
    opts=""

    for i in "${COMP_WORDS[@]:0:COMP_CWORD}"
    do
        case "${cmd},${i}" in
            ",$1")
                cmd="gor"
                ;;
            *)
                ;;
        esac
    done

    case "${cmd}" in
        gor)
            opts="-h --verbose --stats --exit-after --copy-buffer-size --cpuprofile --memprofile --http-pprof --split-output --recognize-tcp-sessions --prettify-http --middleware --input-file --input-file-loop --input-file-max-wait --input-file-read-depth --input-file-dry-run --input-raw --input-raw-track-response --input-raw-engine --input-raw-protocol --input-raw-realip-header --input-raw-expire --input-raw-allow-incomplete --input-raw-bpf-filter --input-raw-buffer-size --input-raw-buffer-timeout --input-raw-ignore-interface --input-raw-monitor --input-raw-override-snaplen --input-raw-promisc --input-raw-stats --input-raw-timestamp-type --input-raw-vlan --input-raw-vlan-vid --input-raw-vxlan-port --input-raw-vxlan-vni --input-tcp --input-tcp-secure --input-tcp-certificate --input-tcp-certificate-key --input-kafka-host --input-kafka-topic --input-kafka-json-format --input-kafka-offset --input-kafka-use-sasl --input-kafka-mechanism --input-kafka-username --input-kafka-password --input-dummy --http-allow-method --http-allow-url --http-disallow-url --http-allow-header --http-disallow-header --http-basic-auth-filter --http-header-limiter --http-param-limiter --http-set-header --http-set-param --http-rewrite-url --http-rewrite-header --http-original-host --output-stdout --output-null --output-file --output-file-append --output-file-flush-interval --output-file-size-limit --output-file-queue-limit --output-file-max-size-limit --output-file-buffer --output-tcp --output-tcp-secure --output-tcp-skip-verify --output-tcp-sticky --output-tcp-workers --output-tcp-stats --output-ws --output-ws-skip-verify --output-ws-sticky --output-ws-workers --output-ws-stats --output-kafka-host --output-kafka-topic --output-kafka-json-format --output-kafka-use-sasl --output-kafka-mechanism --output-kafka-username --output-kafka-password --kafka-tls-ca-cert --kafka-tls-client-cert --kafka-tls-client-key --output-http --output-http-workers --output-http-workers-min --output-http-queue-len --output-http-timeout --output-http-worker-timeout --output-http-redirects --output-http-response-buffer --output-http-skip-verify --output-http-track-response --output-http-stats --output-http-stats-ms --output-http-elasticsearch --output-binary --output-binary-timeout --output-binary-workers --output-binary-track-response --output-binary-debug --output-tcp-response-buffer --explain --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 1 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --verbose)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --exit-after)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --copy-buffer-size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cpuprofile)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --memprofile)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-pprof)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --middleware)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-file)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --input-file-max-wait)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-file-read-depth)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-engine)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-protocol)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-realip-header)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-expire)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-bpf-filter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-buffer-size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-buffer-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-ignore-interface)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-timestamp-type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-vlan-vid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-vxlan-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-raw-vxlan-vni)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-tcp)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-tcp-certificate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-tcp-certificate-key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-kafka-host)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-kafka-topic)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-kafka-offset)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-kafka-mechanism)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-kafka-username)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-kafka-password)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --input-dummy)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-allow-method)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-allow-url)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-disallow-url)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-allow-header)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-disallow-header)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-basic-auth-filter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-header-limiter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-param-limiter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-set-header)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-set-param)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-rewrite-url)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --http-rewrite-header)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-file)
                    local oldifs
                    if [ -n "${IFS+x}" ]; then
                        oldifs="$IFS"
                    fi
                    IFS=$'\n'
                    COMPREPLY=($(compgen -f "${cur}"))
                    if [ -n "${oldifs+x}" ]; then
                        IFS="$oldifs"
                    fi
                    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
                        compopt -o filenames
                    fi
                    return 0
                    ;;
                --output-file-flush-interval)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-file-size-limit)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-file-queue-limit)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-file-max-size-limit)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-file-buffer)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-tcp)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-tcp-workers)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-ws)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-ws-workers)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-kafka-host)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-kafka-topic)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-kafka-mechanism)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-kafka-username)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-kafka-password)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --kafka-tls-ca-cert)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --kafka-tls-client-cert)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --kafka-tls-client-key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-http)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-http-workers)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-http-workers-min)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-http-queue-len)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-http-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-http-worker-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-http-redirects)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-http-response-buffer)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-http-stats-ms)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-http-elasticsearch)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-binary)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-binary-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-binary-workers)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output-tcp-response-buffer)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _gor -o nosort -o bashdefault -o default gor
else
    complete -F _gor -o bashdefault -o default gor
fi
