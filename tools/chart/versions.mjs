/** The oldest and the newest Kubernetes that the chart is held against; Chart.yaml's kubeVersion names the oldest. */
export const KUBERNETES = ['1.32.13', '1.37.2'];
