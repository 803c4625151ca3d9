<?php
// SPDX-License-Identifier: BSD-3-Clause
//
// All kinds of replies through phpredis. See README.md.
//
// usage: php php_redis.php PORT [gears]

error_reporting(E_ALL);
ini_set('display_errors', 'stderr');

function connect()
{
    global $argv;
    $r = new Redis();
    $r->connect('127.0.0.1', (int)$argv[1], 30);
    return $r;
}

function plain($value)
{
    if (is_array($value)) return array_map('plain', $value);
    if (is_string($value) && !preg_match('/^[ -~]*$/', $value)) return 'hex ' . bin2hex($value);
    return $value;
}

function show($name, $value)
{
    echo $name, ': ', json_encode(plain($value)), "\n";
}

function sorted($list)
{
    sort($list);
    return $list;
}

// What the call returns, or the server's error.
function attempt($r, $call)
{
    $r->clearLastError();
    try {
        $value = $call($r);
    } catch (RedisException $e) {
        return 'exception: ' . $e->getMessage();
    }
    return $r->getLastError() ?? $value;
}

function single_values($r)
{
    show('status', [$r->ping(), $r->set('k', 'v'), $r->set('k', 'w', ['nx'])]);
    show('bulk', [$r->get('k'), $r->get('nothing'), $r->echo("a\r\n\0\xff")]);
    show('ints', [$r->incr('n'), $r->decrBy('n', 5), $r->set('n', PHP_INT_MAX),
        attempt($r, fn($r) => $r->incr('n'))]);
    $big = str_repeat("0123456789\0", 300000);
    $r->set('big', $big);
    show('big', [$r->strlen('big'), $r->get('big') === $big]);
    show('floats', [$r->incrByFloat('f', 1.5), $r->zAdd('z', 1.5, 'a', INF, 'b'),
        $r->zScore('z', 'a'), $r->zRange('z', 0, 0, true), $r->zScore('z', 'nothing'),
        $r->geoadd('g', 13.361389, 38.115556, 'Palermo'), $r->geopos('g', 'Palermo', 'nothing')]);
    show('errors', [attempt($r, fn($r) => $r->lPush('k', 1)),
        attempt($r, fn($r) => $r->rawCommand('NOTHING', 'a')),
        attempt($r, fn($r) => $r->rawCommand('GET'))]);
    show('raw', [$r->rawCommand('PING'), $r->rawCommand('GET', 'nothing'),
        $r->rawCommand('LMPOP', 1, 'nothing', 'LEFT'), $r->rawCommand('COMMAND', 'GETKEYS', 'GET', 'a')]);
}

function collections($r)
{
    $r->rPush('l', ...range(1, 200));
    show('lists', [$r->lRange('l', 0, -1), $r->lPop('l'), $r->lLen('l'), $r->lRange('no', 0, -1)]);
    for ($i = 0; $i < 300; $i++) $r->sAdd('s', "m$i");
    show('sets', [sorted($r->sMembers('s')), $r->sIsMember('s', 'x'), $r->sInter('s', 'no')]);
    $r->hMSet('h', ['a' => 1, 'b' => "\0\1", 'c' => '']);
    show('hashes', [$r->hGetAll('h'), $r->hMGet('h', ['a', 'x']), $r->hGetAll('no')]);
    show('zsets', [$r->zPopMin('z'), $r->zRangeByScore('z', '-inf', '+inf'), $r->zRank('z', 'no')]);
    show('others', [$r->setBit('b', 100, 1), $r->bitCount('b'), $r->pfAdd('p', ['a', 'b']),
        $r->pfCount('p'), $r->type('h') === Redis::REDIS_HASH, $r->object('encoding', 'l'),
        $r->sort('l', ['sort' => 'desc', 'limit' => [0, 3]]), $r->ttl('k'), $r->mGet(['k', 'no'])]);
}

function streams($r)
{
    show('xadd', [$r->xAdd('x', '1-1', ['a' => 1]), $r->xAdd('x', '2-1', ['a' => 2, 'b' => 3])]);
    show('xread', [$r->xRange('x', '-', '+'), $r->xRead(['x' => '1-1']), $r->xRead(['x' => '9-9'])]);
    show('groups', [$r->xGroup('CREATE', 'x', 'g', '0'),
        attempt($r, fn($r) => $r->xGroup('CREATE', 'x', 'g', '0')),
        $r->xReadGroup('g', 'one', ['x' => '>'], 1), $r->xPending('x', 'g'), $r->xAck('x', 'g', ['1-1']),
        $r->xInfo('STREAM', 'x'), $r->xInfo('GROUPS', 'x')]);
}

function scans($r)
{
    for ($i = 0; $i < 1000; $i++) $r->set("scan:$i", $i);
    $seen = [];
    $at = null;
    $r->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    while (($keys = $r->scan($at, 'scan:*', 100)) !== false) $seen = array_merge($seen, $keys);
    $fields = [];
    $at = null;
    while ($part = $r->hScan('h', $at)) $fields += $part;
    show('scan', [count(array_unique($seen)), $fields, count($r->keys('scan:1?'))]);
}

function pipelines($r)
{
    $p = $r->multi(Redis::PIPELINE);
    for ($i = 0; $i < 10000; $i++) $p->set("p:$i", $i)->strlen("p:$i");
    $replies = $p->exec();
    show('pipeline', [count($replies), array_slice($replies, 0, 4), array_sum($replies)]);
    show('multi', $r->multi()->set('k', 'v')->get('k')->get('nothing')->incr('i')->exec());
    $r->watch('k');
    connect()->set('k', 'other');
    show('watch', $r->multi()->get('k')->exec());
}

// The subscriber waits in its call, which only the end of its connection ends, so another process
// publishes, and closes it.
function messages($r)
{
    global $argv;
    $code = '$r = new Redis(); $r->connect("127.0.0.1", ' . (int)$argv[1] . ');'
        . 'while ($r->pubsub("numsub", ["other"])["other"] < 1) usleep(1000);'
        . '$r->publish("ch", "a\0b"); $r->publish("other", "end");'
        . '$r->rawCommand("CLIENT", "KILL", "TYPE", "pubsub");';
    $publisher = proc_open([PHP_BINARY, '-r', $code], [], $pipes);
    $seen = [];
    try {
        connect()->subscribe(['ch', 'other'], function ($s, $channel, $message) use (&$seen) {
            $seen[] = [$channel, $message];
        });
    } catch (RedisException) {
        show('messages', [$seen, proc_close($publisher)]);
    }
}

function blocking($r)
{
    $r->rPush('q', 1, 2);
    show('blocking', [$r->blPop(['nothing', 'q'], 5), $r->brPop(['q'], 5), $r->blPop(['nothing'], 1),
        $r->xRead(['x' => '$'], -1, 50)]);
}

function server($r)
{
    show('server', [isset($r->info()['redis_version']), $r->config('GET', 'maxmemory-policy'),
        $r->client('setname', 'me'), $r->client('getname'), count($r->client('list')) > 0,
        count($r->time()), $r->dbSize() > 1000, $r->select(3), $r->get('k'), $r->select(0)]);
    $dump = $r->dump('h');
    show('restore', [$r->restore('h2', 0, $dump), $r->hGetAll('h2') == $r->hGetAll('h')]);
}

function gears($r)
{
    $r->mset(['gear:a' => 1, 'gear:b' => 2]);
    $script = "GB().count().run('gear:*')";
    show('gears', [$r->rawCommand('RG.PYEXECUTE', $script),
        attempt($r, fn($r) => $r->rawCommand('RG.PYEXECUTE', '1 +'))]);
}

$r = connect();
$r->flushAll();
foreach (['single_values', 'collections', 'streams', 'scans', 'pipelines', 'messages', 'blocking',
    'server'] as $part) $part($r);
if (in_array('gears', $argv)) gears($r);
echo "done\n";
