# SPDX-License-Identifier: BSD-3-Clause
#
# INFO: sections, their order, the fields that tools read, and whether they count.

tags quick

proc titles {text} {
    set found {}
    foreach {all title} [regexp -all -inline -line {^# (\w+)\r$} $text] { lappend found $title }
    return $found
}

with_server {} {
    test "sections" {
        set default [list Server Clients Memory Persistence Stats Replication CPU Modules \
            Errorstats Cluster Keyspace]
        set all [linsert [linsert $default 8 Commandstats] 10 Latencystats]
        if {$::server::kind eq "cogwheel"} {
            lappend default Gears
            lappend all Gears
        }
        expect [titles [r INFO]] $default
        expect [titles [r INFO default]] $default
        expect [titles [r INFO all]] $all
        set modules {}
        if {$::server::kind eq "cogwheel"} {
            set modules {rg rg_regisrations rg_plugins rg_python_stats rg_python_requirements
                         rg_python_sessions}
        }
        expect [titles [r INFO EVERYTHING]] [concat $all {*}$modules]
        expect [titles [r INFO keyspace nosuch server]] {Server Keyspace}
        expect [titles [r INFO cpu CPU]] {CPU}
        expect [r INFO nosuch] ""
        expect [r INFO ""] ""
        expect [r INFO cluster] "# Cluster\r\ncluster_enabled:0\r\n"
    }

    test "the beginning that modules parse" {
        expect_match [r INFO] "# Server\r\nredis_version:7.0.15\r\nredis_git_sha1:*"
    }

    test "a verbatim string in RESP3" {
        set c [client -resp 3]
        expect [client::typed $c INFO cluster] \
            [list verbatim txt "# Cluster\r\ncluster_enabled:0\r\n"]
        expect [rt INFO cluster] [list bulk "# Cluster\r\ncluster_enabled:0\r\n"]
    }

    test "fields that tools read" {
        foreach field {
            redis_version redis_git_sha1 redis_git_dirty redis_build_id redis_mode os arch_bits
            monotonic_clock multiplexing_api atomicvar_api gcc_version process_id
            process_supervised run_id tcp_port server_time_usec uptime_in_seconds uptime_in_days
            hz configured_hz lru_clock executable config_file io_threads_active
            connected_clients cluster_connections maxclients client_recent_max_input_buffer
            client_recent_max_output_buffer blocked_clients tracking_clients
            used_memory used_memory_human used_memory_rss used_memory_rss_human used_memory_peak
            used_memory_peak_human used_memory_peak_perc used_memory_overhead used_memory_startup
            used_memory_dataset used_memory_dataset_perc allocator_allocated allocator_active
            allocator_resident total_system_memory total_system_memory_human maxmemory
            maxmemory_human maxmemory_policy allocator_frag_ratio allocator_rss_ratio
            mem_fragmentation_ratio mem_not_counted_for_evict mem_clients_normal
            mem_clients_slaves mem_total_replication_buffers mem_allocator
            lazyfree_pending_objects lazyfreed_objects
            loading async_loading rdb_changes_since_last_save rdb_bgsave_in_progress aof_enabled
            aof_rewrite_in_progress aof_rewrite_scheduled
            total_connections_received total_commands_processed instantaneous_ops_per_sec
            total_net_input_bytes total_net_output_bytes instantaneous_input_kbps
            instantaneous_output_kbps rejected_connections sync_full sync_partial_ok
            sync_partial_err expired_keys expired_stale_perc expired_time_cap_reached_count
            evicted_keys evicted_clients keyspace_hits keyspace_misses pubsub_channels
            pubsub_patterns latest_fork_usec total_forks unexpected_error_replies
            total_error_replies dump_payload_sanitizations
            role connected_slaves master_failover_state master_replid master_replid2
            master_repl_offset second_repl_offset repl_backlog_active repl_backlog_size
            repl_backlog_first_byte_offset repl_backlog_histlen
            used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children
            used_cpu_sys_main_thread used_cpu_user_main_thread cluster_enabled
        } {
            expect_match [r INFO everything] "*\n$field:*"
        }
    }

    test "every line is a title, a field or empty" {
        foreach line [split [r INFO everything] \n] {
            if {$line eq "\r" || $line eq ""} continue
            expect_true {[regexp {^(# \w+|[^ :]+:.*)\r$} $line]}
        }
    }

    test "the process" {
        expect [info_field process_id] [srv pid]
        expect [info_field tcp_port] [srv port]
        expect_match [info_field run_id] [string repeat {[0-9a-f]} 40]
        expect [info_field config_file] [file join [srv dir] redis.conf]
        expect_true {[file executable [info_field executable]]}
        expect_near [expr {[info_field server_time_usec] / 1000000}] [clock seconds] 20
    }

    test "clients and commands are counted" {
        set before [info_field total_connections_received]
        set c [client]
        $c PING
        expect_true {[info_field total_connections_received] > $before}
        set clients [info_field connected_clients]
        client::close $c
        wait_for {[info_field connected_clients] < $clients}
        r CONFIG RESETSTAT
        r SET k v
        r GET k
        r GET k2
        catch {r GET}
        catch {r INCR k}
        set text [r INFO commandstats]
        expect_match $text "*cmdstat_set:calls=1,usec=*,usec_per_call=*.??,rejected_calls=0,failed_calls=0\r\n*"
        expect_match $text "*cmdstat_get:calls=2,*,rejected_calls=1,failed_calls=0\r\n*"
        expect_match $text "*cmdstat_incr:calls=1,*,rejected_calls=0,failed_calls=1\r\n*"
        expect_match $text "*cmdstat_config|resetstat:calls=1,*"
        expect [r INFO errorstats] "# Errorstats\r\nerrorstat_ERR:count=2\r\n"
        expect [info_field keyspace_hits] 1
        expect [info_field keyspace_misses] 1
        expect [info_field total_error_replies] 2
    }

    test "the longest turn of the loop, by the clock and in CPU time" -only cogwheel {
        r SET a [string repeat abcdefghij 400]
        r SET b [string repeat ajcdebghif 400]
        r CONFIG RESETSTAT
        expect_true {[info_field loop_longest_turn_usec] < 30000}
        r DEBUG SLEEP 0.03
        expect_true {[info_field loop_longest_turn_usec] >= 30000}
        expect_true {[info_field loop_longest_turn_cpu_usec] < 20000}
        r CONFIG RESETSTAT
        r LCS a b LEN
        expect_true {[info_field loop_longest_turn_cpu_usec] > 3000}
    }

    test "databases" {
        expect [r INFO keyspace] "# Keyspace\r\n"
        r SET a 1
        r SET b 2 EX 1000
        r SELECT 3
        r SET c 3
        expect_match [r INFO keyspace] \
            "# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=*\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n"
    }

    test "memory grows and shrinks with the data" {
        set before [info_field used_memory]
        r SET big [string repeat x 10000000]
        expect_true {[info_field used_memory] - $before > 9900000}
        regexp {used_memory:(\d+)\r.*used_memory_peak:(\d+)\r} [r INFO memory] -> used peak
        expect_true {$peak >= $used}
        r DEL big
        wait_for {[info_field used_memory] - $before < 1000000}
        expect_match [info_field used_memory_human] {*.*[KM]}
    }

    test "operations per second" {
        for {set i 0} {$i < 50} {incr i} {
            r PING
            after 10
        }
        wait_for {[info_field instantaneous_ops_per_sec] > 0}
    }
}
