package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"indelible/internal/datadir"
)

// checkExports looks at the buckets that datasets go to: those that were named,
// and those of schedules. A process that is killed cannot give its uploads up.
func (a *app) checkExports(ctx context.Context, d *diagnosis, dir *datadir.Directory, named []string) error {
	for _, place := range named {
		if !strings.HasPrefix(place, "s3://") {
			return usagef("write s3://bucket/prefix", "--exports %q", place)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dir.Config.Schedules)) {
		if out, ok := dir.Config.Schedules[name].With["out"].(string); ok && strings.HasPrefix(out, "s3://") && !slices.Contains(named, out) {
			named = append(named, out)
		}
	}
	for _, place := range named {
		bucket, prefix, _ := strings.Cut(strings.TrimPrefix(place, "s3://"), "/")
		title := "uploads to " + place
		st, err := datadir.OpenBucketFor(ctx, bucket, prefix, "", a.env)
		if err != nil {
			d.bad(title, "name it as s3://bucket/prefix; S3_ENDPOINT and the keys say where", err)
			continue
		}
		const rule = "add a lifecycle rule to the bucket: AbortIncompleteMultipartUpload after 7 days"
		switch days, err := st.UploadsEnd(ctx); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			d.good(title, "not known whether the bucket gives up those that are never completed: %v", err)
			d.hint("%s, if the store knows it; the next export to the same place gives them up, too", rule)
		case days == 0:
			d.good(title, "no rule of the bucket gives up those that are never completed: their parts cost storage until the next export to the same place")
			d.hint("%s", rule)
		default:
			d.good(title, "the bucket gives up those that are not completed after %d days", days)
		}
	}
	return nil
}

// hint adds what could be done to what is no fault.
func (d *diagnosis) hint(format string, args ...any) {
	d.Findings[len(d.Findings)-1].Hint = fmt.Sprintf(format, args...)
}
