# prove's harness, with one more line at the end: how many tests passed, failed and were skipped.
package Counting;
use strict;
use warnings;
use parent 'TAP::Harness';

sub summary {
    my ($self, $aggregate) = @_;
    my ($passed, $failed, $skipped) = (0, 0, 0);
    $self->SUPER::summary($aggregate);
    for my $test ($aggregate->parsers) {
        my ($ok, $not_ok, $skip) = map { scalar @{[$test->$_]} } qw(passed failed skipped);
        # A program that died or did not keep to its plan failed, even when each of its lines says ok.
        $not_ok = 1 if !$not_ok && $test->has_problems;
        $skip = 1 if $test->skip_all;
        $passed += $ok - ($test->skip_all ? 0 : $skip);
        $failed += $not_ok;
        $skipped += $skip;
    }
    print "$passed passed, $failed failed, $skipped skipped\n";
}

1;
