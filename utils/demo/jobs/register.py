# SPDX-License-Identifier: BSD-3-Clause

def keep(record):
    key = record['key']
    execute('sadd' if execute('exists', key) else 'srem', 'all_keys', key)

(GB('KeysReader', desc='the names of all keys, in a set')
 .filter(lambda record: record['key'] != 'all_keys')
 .foreach(keep)
 .register('*', mode='sync'))
