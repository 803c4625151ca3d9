# SPDX-License-Identifier: BSD-3-Clause

def keep(record):
    command = 'srem' if record['type'] == 'empty' else 'sadd'
    execute(command, 'all_keys', record['key'])

(GB('KeysReader', desc='the names of all keys, in a set')
 .filter(lambda record: record['key'] != 'all_keys')
 .foreach(keep)
 .register('*', mode='sync'))
