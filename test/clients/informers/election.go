package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// checkLeaderElection: of two candidates one leads; when it lets go the other does, at once.
func checkLeaderElection(ctx context.Context, config *rest.Config, namespace string) error {
	led := make(chan string, 4)
	first, stopFirst := context.WithCancel(ctx)
	defer stopFirst()
	if err := stand(first, config, namespace, "first", led); err != nil {
		return err
	}
	if leader := <-led; leader != "first" {
		return fmt.Errorf("%s leads", leader)
	}
	second, stopSecond := context.WithCancel(ctx)
	defer stopSecond()
	if err := stand(second, config, namespace, "second", led); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		lease, err := client.CoordinationV1().Leases(namespace).Get(ctx, "election", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		return lease.Spec.RenewTime.After(lease.Spec.AcquireTime.Time) && *lease.Spec.HolderIdentity == "first", nil
	})
	if err != nil {
		return fmt.Errorf("the first does not renew: %w", err)
	}
	stopFirst()
	if leader := <-led; leader != "" {
		return fmt.Errorf("%s leads while the first does", leader)
	}
	select {
	case leader := <-led:
		if leader != "second" {
			return fmt.Errorf("%s leads after the first", leader)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func stand(ctx context.Context, config *rest.Config, namespace, identity string, led chan<- string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, namespace, "election", client.CoreV1(), client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: identity})
	if err != nil {
		return err
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, ReleaseOnCancel: true,
		LeaseDuration: 4 * time.Second, RenewDeadline: 3 * time.Second, RetryPeriod: 500 * time.Millisecond,
		Callbacks: leaderelection.LeaderCallbacks{
			// Who leads, and nobody when it ends.
			OnStartedLeading: func(context.Context) { led <- identity },
			OnStoppedLeading: func() { led <- "" },
		},
	})
	if err != nil {
		return err
	}
	go elector.Run(ctx)
	return nil
}

// candidate is a process of its own that stands for election until it is killed, and says when it leads and when it does
// not any more.
func candidate(ctx context.Context, config *rest.Config, namespace, identity string) error {
	led := make(chan string, 4)
	if err := stand(ctx, config, namespace, identity, led); err != nil {
		return err
	}
	for who := range led {
		fmt.Println(who)
	}
	return nil
}
